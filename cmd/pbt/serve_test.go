package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a command that serves, and the link that it has printed.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	link string
	rest *bufio.Reader // what it prints after that
}

// serving starts a command and waits for its link on one of its outputs.
func serving(t *testing.T, dir string, onStderr bool, args ...string) *server {
	t.Helper()
	c := command(t, dir, args...)
	pipe := c.StdoutPipe
	if onStderr {
		pipe = c.StderrPipe
	}
	out, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, cmd: c, rest: bufio.NewReader(out)}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	for {
		line, err := s.rest.ReadString('\n')
		if err != nil {
			t.Fatalf("pbt %s prints no link: %v", strings.Join(args, " "), err)
		}
		if link, ok := strings.CutPrefix(strings.TrimSpace(line), "dashboard: "); ok {
			s.link = link
			return s
		}
	}
}

// end stops it, and returns its exit code.
func (s *server) end(sig syscall.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, s.rest)
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

// fetch asks a server.
func fetch(t *testing.T, client *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// served are the ids of the runs that a server shows.
func served(t *testing.T, link string) (ids []string) {
	t.Helper()
	status, body := fetch(t, http.DefaultClient, link+"api/v1/runs")
	if status != http.StatusOK {
		t.Fatal(status, body)
	}
	for _, r := range decode[struct{ Runs []struct{ ID string } }](t, body).Runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestARunServesItsDashboard(t *testing.T) {
	dir := homeOf(t, waits)
	s := serving(t, dir, true, "run", "q.yaml", "--dir", "d")
	if !strings.HasPrefix(s.link, "http://127.0.0.1:") || !strings.HasSuffix(s.link, "/") {
		t.Error(s.link)
	}
	run := func() map[string]any {
		t.Helper()
		status, body := fetch(t, http.DefaultClient, s.link+"api/v1/runs/d")
		if status != http.StatusOK {
			t.Fatal(status, body)
		}
		return decode[map[string]any](t, body)
	}
	if r := run(); r["live"] != true || r["name"] != "programs" || r["phase"] != "running" || r["population"] != 4.0 {
		t.Error(r)
	}
	stream, err := http.Get(s.link + "api/v1/runs/d/stream?after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	save(t, dir, "go", "")
	events, err := io.ReadAll(stream.Body) // which ends with the run
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Count(string(events), "event: journal\n")
	_, _ = io.Copy(io.Discard, s.rest)
	if err := s.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if want := len(lines(ok(t, dir, "events", "d"))); got != want || !strings.Contains(string(events), `"kind":"closed"`) {
		t.Errorf("the stream had %d events, want %d:\n%s", got, want, events)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "d/logs/slot-1.log")); err != nil || len(log) == 0 {
		t.Errorf("%s, %v", log, err)
	}
}

func TestARunServesOnlyWhenItMay(t *testing.T) {
	dir := home(t, quick)
	if r := cli(t, dir, "run", "q.yaml", "--no-web"); r.code != exitDone || strings.Contains(r.err, "dashboard") {
		t.Error(r)
	}
	if r := cli(t, dir, "run", "q.yaml", "--quiet"); r.code != exitDone || r.err != "" {
		t.Error(r)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	fails(t, dir, exitFailed, "address already in use; choose another address with --listen", "run", "q.yaml", "--dir", "taken", "--listen", taken.Addr().String())
	ok(t, dir, "resume", "taken") // nothing of it is lost
	fails(t, dir, exitUsage, "want at least 32", "run", "q.yaml", "--dir", "x", "--token", "short")
	fails(t, dir, exitUsage, "--tls-cert and --tls-key go together", "run", "q.yaml", "--dir", "y", "--tls-cert", "c.pem")
	for _, name := range []string{"x", "y"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("bad use leaves %s behind", name)
		}
	}
}

func TestServeShowsRunsAndThoseThatCome(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml")
	ok(t, dir, "run", "q.yaml", "--dir", "elsewhere", "--set", "budget.steps=5")
	s := serving(t, dir, false, "serve", "runs", "elsewhere")
	if ids := served(t, s.link); len(ids) != 2 {
		t.Error(ids)
	}
	status, body := fetch(t, http.DefaultClient, s.link+"api/v1/runs/quick-1/schedule?format=csv")
	if want := ok(t, dir, "schedule", "runs/quick-1", "--format", "csv"); status != http.StatusOK || body != want {
		t.Errorf("%d\n%s\nwant\n%s", status, body, want)
	}
	ok(t, dir, "run", "q.yaml")
	for deadline := time.Now().Add(time.Minute); len(served(t, s.link)) != 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a new run does not show")
		}
	}
	if code := s.end(syscall.SIGINT); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	fails(t, dir, exitFailed, "no such file", "serve", "nowhere")
}

// Beyond loopback nobody gets in without the link or the token; with TLS.
func TestServeBeyondLoopback(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "d")
	trusted := selfSigned(t, dir)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "localhost"}}
	defer transport.CloseIdleConnections()
	stranger, guest := &http.Client{Transport: transport}, &http.Client{Transport: transport, Jar: jar}
	s := serving(t, dir, false, "serve", "d", "--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.link, "https://"), ":")
	port, path, _ := strings.Cut(port, "/")
	if !strings.HasPrefix(s.link, "https://") || !strings.HasPrefix(path, "login?t=") {
		t.Fatal(s.link)
	}
	base := "https://127.0.0.1:" + port + "/"
	if status, body := fetch(t, stranger, base+"api/v1/runs"); status != http.StatusUnauthorized {
		t.Error(status, body)
	}
	if status, body := fetch(t, guest, base+path); status != http.StatusOK || !strings.Contains(body, "dashboard") {
		t.Error(status, body)
	}
	if status, body := fetch(t, guest, base+"api/v1/runs"); status != http.StatusOK {
		t.Error(status, body)
	}
	if status, _ := fetch(t, stranger, base+path); status != http.StatusForbidden {
		t.Error("the link is good twice")
	}
	if code := s.end(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

// selfSigned makes cert.pem and key.pem for localhost, and who trusts them.
func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	save(t, dir, "cert.pem", string(cert))
	save(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// A process that was killed while it wrote down where it listens has left a draft: the
// next one's takes its place, and nobody else can read it.
func TestTheNoteOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "."+serverFile, "half of a no")
	if err := noteServer(dir, serverNote{URL: "http://127.0.0.1:1/", Token: "t", PID: 7}); err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadDir(dir)
	if err != nil || len(there) != 1 {
		t.Fatalf("%v, %v", there, err)
	}
	info, err := there[0].Info()
	if n, noteErr := readNote(dir); err != nil || noteErr != nil || n.PID != 7 || info.Mode().Perm() != 0o600 {
		t.Errorf("%+v, %v, %v, %v", n, noteErr, info.Mode(), err)
	}
}
