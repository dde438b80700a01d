package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// guard refuses what does not come from where it should, before anything else.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inUse(r)
		harden(w.Header())
		if s.config.TLS {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		if err := s.checkCaller(r); err != nil {
			s.fail(w, err)
			return
		}
		if !s.mayEnter(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="pbt"`)
			writeError(w, http.StatusUnauthorized, "a token is needed: open the one-time link that pbt has printed, or send `Authorization: Bearer TOKEN`")
			return
		}
		if r.ContentLength > maxBodyBytes {
			w.Header().Set("Connection", "close") // nobody waits for what is not read
			writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes", maxBodyBytes))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		next.ServeHTTP(w, r)
	})
}

// policy lets a page use what this server serves and nothing else. Names, hyperparameters
// and logs come from elsewhere: should one of them get into a page as markup, it can
// neither run nor send anything.
const policy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// checkCaller looks whether a request was meant for this server, and comes from its
// own pages or from no page at all. Another site's page could otherwise read runs
// under a name of its own that leads here (DNS rebinding), or steer them (CSRF).
func (s *Server) checkCaller(r *http.Request) error {
	if !s.knowsHost(r.Host) {
		return &problem{http.StatusForbidden, fmt.Sprintf("this server is not called %.100q: use the address that pbt has printed, or name it with --host", r.Host)}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return &problem{http.StatusForbidden, fmt.Sprintf("requests from pages of %.100q are refused", origin)}
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
		return nil
	default:
		if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && !strings.HasPrefix(r.URL.Path, "/api/") {
			return nil // somebody has followed a link
		}
		return &problem{http.StatusForbidden, "requests from other sites' pages are refused"}
	}
}

// knowsHost tells whether a name is this server's. Addresses cannot be made to lead
// elsewhere; names can.
func (s *Server) knowsHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || slices.Contains(s.config.Hosts, name) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || s.config.Token != "")
}

// mayEnter tells whether a request has the token, or the cookie of somebody who had
// the one-time link.
func (s *Server) mayEnter(r *http.Request) bool {
	if s.config.Token == "" || r.URL.Path == "/healthz" || r.URL.Path == "/login" {
		return true
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(token, s.config.Token)
	}
	c, err := r.Cookie(cookieName(r))
	return err == nil && s.login.knows(c.Value)
}

// same compares secrets in a time that tells nothing about them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// cookieName sets servers on different ports of a host apart: cookies do not.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "pbt"
	}
	return "pbt-" + port
}

// Limits of logins.
const (
	sessionLife = 30 * 24 * time.Hour
	maxSessions = 100
)

// login makes one-time links and remembers who has used one.
type login struct {
	mu       sync.Mutex
	code     string // of the link; it is replaced once it is used
	sessions []session
}

type session struct {
	secret string
	until  time.Time
}

func newLogin() *login { return &login{code: NewToken()} }

// LoginPath is the path of the one-time link that is good now.
func (s *Server) LoginPath() string {
	s.login.mu.Lock()
	defer s.login.mu.Unlock()
	return "/login?t=" + s.login.code
}

// use takes the code of a link, and returns the secret of a new session.
func (l *login) use(code string) (secret string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !same(code, l.code) {
		return "", false
	}
	l.code, secret = NewToken(), NewToken()
	l.sessions = append(l.sessions, session{secret, time.Now().Add(sessionLife)})
	l.sessions = l.sessions[max(0, len(l.sessions)-maxSessions):]
	return secret, true
}

func (l *login) knows(secret string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := false
	for _, s := range l.sessions {
		if same(secret, s.secret) && time.Now().Before(s.until) {
			found = true
		}
	}
	return found
}

// logIn is for whoever opens the one-time link.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.config.Token == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if r.Method != http.MethodGet { // a HEAD of a preview uses nothing up
		return
	}
	secret, ok := s.login.use(r.URL.Query().Get("t"))
	if !ok {
		writeError(w, http.StatusForbidden, "this link has been used or never existed: pbt prints a new one whenever one is used")
		return
	}
	// Lax, so that a link to a view, in a chat or a mail, opens: what changes something is
	// no link, and checkCaller refuses all else that other sites' pages may send.
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: secret, Path: "/", MaxAge: int(sessionLife.Seconds()),
		HttpOnly: true, Secure: s.config.TLS, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	if s.config.Used != nil {
		s.config.Used(s.LoginPath())
	}
}
