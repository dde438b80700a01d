package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// webFlags say where the dashboard is served, and to whom.
type webFlags struct {
	listen  string
	hosts   []string
	token   string
	tlsCert string
	tlsKey  string
}

func (f *webFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "`address` to serve the dashboard on; port 0: any that is free")
	c.Flags().StringArrayVar(&f.hosts, "host", nil, "a `name` that the server is called by, such as a proxy's (may be repeated)")
	c.Flags().StringVar(&f.token, "token", "", "the `secret` for those who ask from elsewhere (default: a new one; or $PBT_TOKEN, which ps does not show)")
	c.Flags().StringVar(&f.tlsCert, "tls-cert", "", "`file` with a certificate (PEM), to serve over TLS")
	c.Flags().StringVar(&f.tlsKey, "tls-key", "", "`file` with its private key (PEM)")
}

// tokenVariable holds the secret for those who do not want it in their process list.
const tokenVariable = "PBT_TOKEN"

// minToken is how many characters a secret has at least: what is shorter can be guessed.
const minToken = 32

// dashboard is a server at work.
type dashboard struct {
	server *api.Server
	link   string // for people
	base   string
	token  string
	done   chan error

	complain io.Writer
	full     bool // it has said that no more runs are served
}

// open begins to serve. Whoever can reach the address can ask: beyond loopback they
// need a token.
func (f *webFlags) open(w io.Writer) (*dashboard, error) {
	cert, err := f.certificate()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return nil, fmt.Errorf("serve the dashboard: %w; choose another address with --listen", err)
	}
	addr, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c := api.Config{Version: version, Web: web, Hosts: lower(f.hosts), TLS: cert != nil, Log: func(format string, args ...any) {
		fmt.Fprintf(w, "pbt: dashboard: %s\n", clean(fmt.Sprintf(format, args...)))
	}}
	if c.Token, err = f.secret(addr.Addr()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	base := baseURL(addr, cert != nil)
	c.Used = func(path string) { fmt.Fprintf(w, "dashboard, for one more browser: %s%s\n", base, path) }
	d := &dashboard{server: api.New(c), link: base + "/", base: base, token: c.Token, done: make(chan error, 1), complain: w}
	if c.Token != "" {
		d.link = base + d.server.LoginPath()
	}
	go func() { d.done <- d.server.Serve(l, cert) }()
	return d, nil
}

func (d *dashboard) close() error { return errors.Join(d.server.Shutdown(), <-d.done) }

func (f *webFlags) certificate() (*tls.Certificate, error) {
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return nil, usageError{errors.New("--tls-cert and --tls-key go together")}
	}
	if f.tlsCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
	}
	return &cert, nil
}

// secret is the token that is needed; none on loopback, unless one is given.
func (f *webFlags) secret(addr netip.Addr) (string, error) {
	token := f.token
	if token == "" {
		token = os.Getenv(tokenVariable)
	}
	switch {
	case token != "" && len(token) < minToken:
		return "", usageError{fmt.Errorf("the token has %d characters, want at least %d: such as the output of `openssl rand -hex 32`", len(token), minToken)}
	case token == "" && !addr.IsLoopback():
		return api.NewToken(), nil
	}
	return token, nil
}

// baseURL is how a browser on this host reaches the server.
func baseURL(addr netip.AddrPort, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host := addr.Addr().Unmap().String()
	if addr.Addr().IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, fmt.Sprint(addr.Port())))
}

func lower(names []string) []string {
	out := slices.Clone(names)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	if host, err := os.Hostname(); err == nil {
		out = append(out, strings.ToLower(host))
	}
	return out
}

// runWebFlags are those of commands that train.
type runWebFlags struct {
	webFlags
	none bool
	live *api.Source
	steerer
	dash  *dashboard
	noted string // the file that tells where this process listens
}

func (f *runWebFlags) add(c *cobra.Command) {
	f.webFlags.add(c)
	c.Flags().BoolVar(&f.none, "no-web", false, "serve no dashboard")
}

// check finds mistakes in the flags before anything is begun.
func (f *runWebFlags) check() error {
	if f.none {
		return nil
	}
	_, err := f.certificate()
	if err == nil {
		_, err = f.secret(netip.IPv6Loopback())
	}
	return err
}

// observe makes the engine's configuration tell the dashboard what happens.
func (f *runWebFlags) observe(c *engine.Config) {
	if f.none {
		return
	}
	f.live = api.Live(c.Dir, &f.steerer)
	before := c.Observe
	c.Observe = func(v engine.View) {
		if before != nil {
			before(v)
		}
		f.live.Observe(v)
	}
	c.Progress = f.live.Progress
}

// begin serves the run, and tells the link. Where nobody has asked for an address,
// training goes on without a dashboard.
func (f *runWebFlags) begin(cmd *cobra.Command, dir string, show *progress) error {
	if f.none {
		return f.note(dir, serverNote{PID: os.Getpid()})
	}
	w := cmd.ErrOrStderr()
	dash, err := f.open(w)
	if err != nil && !cmd.Flags().Changed("listen") && !errors.As(err, new(usageError)) {
		fmt.Fprintf(w, "pbt: there is no dashboard: %v\n", err)
		return f.note(dir, serverNote{PID: os.Getpid()})
	}
	if err != nil {
		return err
	}
	f.dash = dash
	if err := f.note(dir, serverNote{URL: dash.base, Token: dash.token, PID: os.Getpid()}); err != nil {
		return err
	}
	show.tellLink(dash.link)
	f.steerer.show = func(dir string) { _ = dash.server.Add(api.Open(dir)) } // or it is not served: there are too many
	return dash.server.Add(f.live)
}

// link is where the dashboard is; "" if there is none.
func (f *runWebFlags) link() string {
	if f.dash == nil {
		return ""
	}
	return f.dash.link
}

// note writes down where to find this process, until end.
func (f *runWebFlags) note(dir string, n serverNote) error {
	f.noted = filepath.Join(dir, serverFile)
	if err := noteServer(dir, n); err != nil {
		return fmt.Errorf("write down where this process listens: %w", err)
	}
	return nil
}

// end lets those who look on see the last events, and stops serving.
func (f *runWebFlags) end() error {
	if f.noted != "" {
		_ = disk.RemoveAll(f.noted) // nobody who finds it gets an answer
	}
	if f.live == nil {
		return nil
	}
	f.live.Ended()
	if f.dash == nil {
		return f.live.Close()
	}
	return f.dash.close()
}

// lookEvery is how often `pbt serve` looks for new runs.
const lookEvery = 2 * time.Second

func newServe() *cobra.Command {
	var f webFlags
	c := &cobra.Command{
		Use: "serve DIR…", Short: "Serve the dashboard of runs: finished ones, or other processes'", Args: cobra.MinimumNArgs(1),
		Long: `Serve the dashboard and the HTTP API of runs that are finished, or that other processes train.
A DIR is a run's directory, or a folder of them; runs that appear in it later are served, too.

On loopback no token is needed. Beyond it (--listen 0.0.0.0:8790) whoever asks needs one: the link that is
printed lets one browser in, and is good once. Use TLS there (--tls-cert, --tls-key), or an ssh tunnel.`,
		Example: "  pbt serve runs --listen 127.0.0.1:8790",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := runsIn(args); err != nil { // a name that is wrong from the beginning
				return err
			}
			dash, err := f.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			err = dash.addNew(args)
			fmt.Fprintf(cmd.OutOrStdout(), "dashboard: %s\n", dash.link)
			for err == nil {
				select {
				case <-cmd.Context().Done():
					return dash.close()
				case err = <-dash.done:
					return errors.Join(err, dash.server.Shutdown())
				case <-time.After(lookEvery):
					if err = dash.server.DropGone(); err == nil {
						err = dash.addNew(args)
					}
				}
			}
			return errors.Join(err, dash.close())
		},
	}
	f.add(c)
	return c
}

// addNew serves the runs that are not served yet. A folder that is not there may come
// back.
func (d *dashboard) addNew(args []string) error {
	dirs, err := runsIn(slices.DeleteFunc(slices.Clone(args), func(dir string) bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	}))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if d.server.Has(dir) {
			continue
		}
		src := api.Open(dir)
		if err := d.server.Add(src); err != nil && !d.full {
			d.full = true
			fmt.Fprintf(d.complain, "pbt: %s is not served: %v\n", dir, err)
		}
	}
	return nil
}

// runsIn are the runs in some directories: each a run's, or a folder of them.
func runsIn(args []string) (dirs []string, err error) {
	for _, arg := range args {
		if api.IsRun(arg) {
			dirs = append(dirs, filepath.Clean(arg))
			continue
		}
		entries, err := disk.In(arg).ReadDir(".")
		if err != nil {
			return nil, fmt.Errorf("look for runs: %w", err)
		}
		for _, entry := range entries {
			if dir := filepath.Join(arg, entry.Name()); api.IsRun(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}
