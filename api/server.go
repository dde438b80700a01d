// Package api serves runs over HTTP: what docs/api.md says. It reads their journals
// and directories, and writes nothing; steering goes to whoever trains the run.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the server.
const (
	MaxRuns          = 1000
	maxHeaderBytes   = 16 << 10
	maxBodyBytes     = 1 << 20
	readHeaderLimit  = 5 * time.Second
	readLimit        = 30 * time.Second
	writeLimit       = time.Minute // of an answer that is no stream
	idleLimit        = 2 * time.Minute
	loadPatience     = 20 * time.Second // a question waits so long for a journal to be read
	listPatience     = time.Second      // and the list of runs
	shutdownPatience = 3 * time.Second
)

// Config says what a server is.
type Config struct {
	Version string
	Web     fs.FS                            // the dashboard's files; nil: a page that says how to build them
	Token   string                           // whoever asks must have it; "" only where nobody else can ask: on loopback
	Hosts   []string                         // names that the server may be called by, besides loopback's and addresses
	TLS     bool                             // it is served over TLS
	Log     func(format string, args ...any) // hears of faults; nil: nobody
	Used    func(path string)                // hears that a one-time link was used, and the path of the next; nil: nobody
}

// Server serves runs. It is an http.Handler.
type Server struct {
	config  Config
	handler http.Handler
	login   *login
	answers answers
	ended   chan struct{} // closed when streams are to end
	once    sync.Once

	mu      sync.Mutex
	sources map[string]*Source // by id
	order   []string
	added   int // sources, ever
}

// New returns a server without runs.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	s := &Server{config: c, sources: map[string]*Source{}, ended: make(chan struct{}), login: newLogin()}
	s.handler = s.guard(s.mux())
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Add serves a run, and follows it until Shutdown. Its id is made of the name of its directory.
func (s *Server) Add(src *Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sources) >= MaxRuns {
		return fmt.Errorf("%d runs are served already; no more are", MaxRuns)
	}
	base := runID(src.Dir)
	src.id = base
	for n := 2; s.sources[src.id] != nil; n++ {
		src.id = fmt.Sprintf("%s~%d", base, n)
	}
	s.added++
	src.number = s.added
	s.sources[src.id] = src
	s.order = append(s.order, src.id)
	src.start()
	return nil
}

// runID is a directory's name as it may stand in an address.
func runID(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, filepath.Base(dir))
	id = strings.Trim(id[:min(len(id), 100)], ".")
	return cmp.Or(id, "run")
}

// Has tells whether a directory is served already.
func (s *Server) Has(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.sources {
		if src.Dir == dir {
			return true
		}
	}
	return false
}

// DropGone stops serving runs whose journal has been deleted or replaced. What is in
// its place can be added again: it may have the same id.
func (s *Server) DropGone() error {
	s.mu.Lock()
	var gone []*Source
	for id, src := range s.sources {
		if src.gone.Load() {
			gone = append(gone, src)
			delete(s.sources, id)
			s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == id })
		}
	}
	s.mu.Unlock()
	var faults []error
	for _, src := range gone {
		faults = append(faults, src.Close())
	}
	return errors.Join(faults...)
}

func (s *Server) all() []*Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Source, len(s.order))
	for i, id := range s.order {
		out[i] = s.sources[id]
	}
	return out
}

func (s *Server) source(id string) *Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources[id]
}

// list are the runs that have begun and are read.
func (s *Server) list(ctx context.Context) Runs {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	out := Runs{Runs: []Run{}}
	for _, src := range s.all() {
		src.ask()
		_ = src.wait(ctx) // what is not read yet is not listed yet
		if r, ok := src.summary(); ok {
			out.Runs = append(out.Runs, r)
		}
	}
	slices.SortStableFunc(out.Runs, func(a, b Run) int { return cmp.Compare(b.StartedAt, a.StartedAt) })
	return out
}

// Serve answers on a listener until Shutdown.
func (s *Server) Serve(l net.Listener, cert *tls.Certificate) error {
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: readHeaderLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: log.New(faults{s}, "", 0),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-s.ended
		ctx, cancel := context.WithTimeout(context.Background(), shutdownPatience)
		defer cancel()
		if h.Shutdown(ctx) != nil {
			_ = h.Close()
		}
	}()
	l = newLimited(l, h)
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	err := h.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return err
}

// Shutdown ends streams, once they have sent all that the runs' journals hold, and the
// server.
func (s *Server) Shutdown() error {
	var faults []error
	for _, src := range s.all() {
		faults = append(faults, src.Close())
	}
	s.once.Do(func() { close(s.ended) })
	return errors.Join(faults...)
}

// faults passes on what net/http has to complain about.
type faults struct{ *Server }

func (f faults) Write(text []byte) (int, error) {
	f.config.Log("%s", strings.TrimSpace(string(text)))
	return len(text), nil
}

// mux finds who answers.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]*route{}
	for i := range routes {
		methods[routes[i].path] = append(methods[routes[i].path], &routes[i])
	}
	for path, list := range methods {
		mux.HandleFunc(prefix+path, func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, list) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &problem{http.StatusNotFound, "there is no such path: see /openapi.json"})
	})
	mux.HandleFunc("/healthz", reading(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}` + "\n"))
	}))
	mux.HandleFunc("/metrics", reading(s.metrics))
	mux.HandleFunc("/openapi.json", reading(s.describe))
	mux.HandleFunc("/login", reading(s.logIn))
	mux.HandleFunc("/", reading(s.files))
	return mux
}

// reading lets through only what asks.
func reading(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w, "GET, HEAD")
			return
		}
		h(w, r)
	}
}

func notAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	writeError(w, http.StatusMethodNotAllowed, "this method is not allowed here, only "+allowed)
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, list []*route) {
	var allowed []string
	for _, rt := range list {
		if r.Method == rt.method || r.Method == http.MethodHead && rt.method == http.MethodGet && rt.stream == nil {
			s.answer(w, r, rt)
			return
		}
		if allowed = append(allowed, rt.method); rt.method == http.MethodGet && rt.stream == nil {
			allowed = append(allowed, http.MethodHead)
		}
	}
	notAllowed(w, strings.Join(allowed, ", "))
}

// answer asks a route's handler.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rt *route) {
	q := &request{Request: r, server: s}
	if err := q.read(rt.params); err != nil {
		s.fail(w, err)
		return
	}
	if strings.Contains(rt.path, "{run}") {
		if err := q.find(); err != nil {
			s.fail(w, err)
			return
		}
	}
	switch {
	case rt.stream != nil:
		rt.stream(s, q, w)
	case rt.cached:
		a, err := s.answers.get(q, rt)
		s.send(w, r, a, err)
	default:
		a, err := makeAnswer(q, rt)
		s.send(w, r, a, err)
	}
}

// find finds the run that is asked about, and waits until it has been read.
func (q *request) find() error {
	q.source = q.server.source(q.words["run"])
	if q.source == nil {
		return &problem{http.StatusNotFound, fmt.Sprintf("there is no run %.80q here: see %s/runs", q.words["run"], prefix)}
	}
	q.source.ask()
	ctx, cancel := context.WithTimeout(q.Context(), loadPatience)
	defer cancel()
	if err := q.source.wait(ctx); err != nil {
		return err
	}
	if q.source.run.Seq() == 0 {
		return errNotBegun
	}
	return nil
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if status == http.StatusInternalServerError {
		s.config.Log("%v", err)
	}
	writeError(w, status, err.Error())
}

func writeError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // whoever has gone needs no answer
}

// NewToken is a secret that nobody guesses.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
