package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

const secret = "0123456789abcdef0123456789abcdef"

// Who may ask, from where, under which name.
func TestWhoIsLetIn(t *testing.T) {
	dir := finishedRun(t)
	_, local := serve(t, Config{}, Open(dir))
	_, open := serve(t, Config{Token: secret, Hosts: []string{"atlas"}}, Open(dir))
	runs, steer := prefix+"/runs", prefix+"/runs/my_run/steer"
	const pause, asJSON = `{"verb":"pause"}`, "Content-Type: application/json"
	own := func(url string) string { return "Origin: " + url }
	for _, c := range []struct {
		what         string
		url          string
		method, path string
		body         string
		headers      []string
		want         int
	}{
		{"a program", local.URL, "GET", runs, "", nil, 200},
		{"by name", local.URL, "GET", runs, "", []string{"Host: localhost:9"}, 200},
		{"by name, without a port", local.URL, "GET", runs, "", []string{"Host: LOCALHOST"}, 200},
		{"through a tunnel", local.URL, "GET", runs, "", []string{"Host: 127.0.0.1:8080", "Origin: http://127.0.0.1:8080"}, 200},
		{"by IPv6", local.URL, "GET", runs, "", []string{"Host: [::1]:80"}, 200},
		{"a rebound name", local.URL, "GET", runs, "", []string{"Host: evil.example"}, 403},
		{"a rebound name with the port", local.URL, "GET", "/", "", []string{"Host: evil.example:80"}, 403},
		{"a name that looks local", local.URL, "GET", runs, "", []string{"Host: localhost.evil.example"}, 403},
		{"a name below localhost", local.URL, "GET", runs, "", []string{"Host: evil.localhost"}, 403},
		{"a name that ends in a dot", local.URL, "GET", runs, "", []string{"Host: localhost."}, 403},
		{"a strange address", local.URL, "GET", runs, "", []string{"Host: 10.0.0.1"}, 403},
		{"a rebound name at the door", local.URL, "GET", "/healthz", "", []string{"Host: evil.example"}, 403},
		{"its own page", local.URL, "GET", runs, "", []string{own(local.URL), "Sec-Fetch-Site: same-origin"}, 200},
		{"another site's page", local.URL, "GET", runs, "", []string{"Origin: https://evil.example"}, 403},
		{"another port's page", local.URL, "GET", runs, "", []string{"Origin: http://127.0.0.1:1"}, 403},
		{"a page without an origin", local.URL, "GET", runs, "", []string{"Origin: null"}, 403},
		{"another site's image", local.URL, "GET", runs, "", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"another port's script", local.URL, "GET", "/", "", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"a link", local.URL, "GET", "/", "", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		{"a link to the API", local.URL, "GET", runs, "", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{"a frame", local.URL, "GET", "/", "", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		{"the address line", local.URL, "GET", "/", "", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},

		{"steering by a program", local.URL, "POST", steer, pause, []string{asJSON}, 409},
		{"steering by its own page", local.URL, "POST", steer, pause, []string{asJSON, own(local.URL), "Sec-Fetch-Site: same-origin"}, 409},
		{"steering by another's page", local.URL, "POST", steer, pause, []string{asJSON, "Origin: https://evil.example"}, 403},
		{"steering by another's form", local.URL, "POST", steer, pause, []string{"Content-Type: text/plain", "Sec-Fetch-Site: cross-site"}, 403},
		{"steering by a link", local.URL, "POST", steer, pause, []string{asJSON, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{"a form", local.URL, "POST", steer, pause, []string{"Content-Type: application/x-www-form-urlencoded"}, 415},
		{"no type", local.URL, "POST", steer, pause, nil, 415},
		{"another type", local.URL, "POST", steer, pause, []string{"Content-Type: text/plain;application/json"}, 415},
		{"a body too large", local.URL, "POST", steer, `{"verb":"pause","reason":"` + strings.Repeat("x", maxBodyBytes) + `"}`, []string{asJSON}, 413},
		{"a header too large for a name", local.URL, "GET", runs, "", []string{"Host: " + strings.Repeat("x", 1000)}, 403},
		{"steering by asking", local.URL, "GET", steer, "", nil, 405},

		{"no token", open.URL, "GET", runs, "", nil, 401},
		{"no token, the page", open.URL, "GET", "/", "", nil, 401},
		{"no token, the description", open.URL, "GET", "/openapi.json", "", nil, 401},
		{"no token, metrics", open.URL, "GET", "/metrics", "", nil, 401},
		{"no token, a stream", open.URL, "GET", prefix + "/runs/my_run/stream", "", nil, 401},
		{"no token, steering", open.URL, "POST", steer, pause, []string{asJSON}, 401},
		{"no token, is it there", open.URL, "GET", "/healthz", "", nil, 200},
		{"the token", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret}, 200},
		{"the token, steering", open.URL, "POST", steer, pause, []string{asJSON, "Authorization: Bearer " + secret}, 409},
		{"another token", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret[1:] + "x"}, 401},
		{"a part of the token", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret[:31]}, 401},
		{"an empty token", open.URL, "GET", runs, "", []string{"Authorization: Bearer "}, 401},
		{"the token as a password", open.URL, "GET", runs, "", []string{"Authorization: Basic " + secret}, 401},
		{"the token as a cookie", open.URL, "GET", runs, "", []string{"Cookie: pbt-" + port(open.URL) + "=" + secret}, 401},
		{"the token in the address", open.URL, "GET", runs + "?token=" + secret, "", nil, 401},
		{"the token and a name of its own", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret, "Host: atlas:80"}, 200},
		{"the token and any address", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret, "Host: 10.1.2.3:80"}, 200},
		{"the token and a rebound name", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret, "Host: evil.example"}, 403},
		{"the token and another's page", open.URL, "GET", runs, "", []string{"Authorization: Bearer " + secret, "Origin: https://evil.example"}, 403},
		{"a link that was never made", open.URL, "GET", "/login?t=" + secret, "", nil, 403},
		{"a link without a code", open.URL, "GET", "/login", "", nil, 403},
	} {
		t.Run(c.what, func(t *testing.T) {
			res, body := ask(t, c.method, c.url+c.path, c.body, c.headers...)
			if res.StatusCode != c.want {
				t.Errorf("%s %s, want %d", res.Status, body, c.want)
			}
			var e struct{ Error string }
			if c.want >= 400 && (json.Unmarshal([]byte(body), &e) != nil || e.Error == "") {
				t.Errorf("it does not say what is wrong: %s", body)
			}
			hardened(t, res)
		})
	}
}

func port(url string) string { return url[strings.LastIndex(url, ":")+1:] }

// hardened looks for the headers that every answer has.
func hardened(t *testing.T, res *http.Response) {
	t.Helper()
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" ||
		res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", res.Header)
	}
}

// A one-time link lets one browser in, once.
func TestTheOneTimeLink(t *testing.T) {
	var used []string
	s, web := serve(t, Config{Token: secret, Used: func(path string) { used = append(used, path) }}, Open(finishedRun(t)))
	link := s.LoginPath()
	if res, _ := ask(t, http.MethodHead, web.URL+link, ""); len(res.Cookies()) != 0 || s.LoginPath() != link {
		t.Error("a preview uses the link up")
	}
	res, body := ask(t, http.MethodGet, web.URL+link, "")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" || len(res.Cookies()) != 1 || strings.Contains(body, secret) {
		t.Fatal(res.Status, res.Header, body)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Value == secret || len(c.Value) < 40 {
		t.Errorf("%+v", c)
	}
	cookie := fmt.Sprintf("Cookie: %s=%s", c.Name, c.Value)
	if res, body := ask(t, http.MethodGet, web.URL+prefix+"/runs", "", cookie); res.StatusCode != http.StatusOK {
		t.Error(res.Status, body)
	}
	if res, body := ask(t, http.MethodGet, web.URL+prefix+"/runs", "", cookie, "Origin: https://evil.example"); res.StatusCode != http.StatusForbidden {
		t.Error("the cookie opens the door to other sites:", res.Status, body)
	}
	if res, _ := ask(t, http.MethodGet, web.URL+prefix+"/runs", "", cookie+"x"); res.StatusCode != http.StatusUnauthorized {
		t.Error(res.Status)
	}
	if res, _ := ask(t, http.MethodGet, web.URL+link, ""); res.StatusCode != http.StatusForbidden || len(res.Cookies()) != 0 {
		t.Error("the link is good twice")
	}
	if len(used) != 1 || used[0] == link || used[0] != s.LoginPath() {
		t.Errorf("%v, %s", used, s.LoginPath())
	}
	if res, _ := ask(t, http.MethodGet, web.URL+used[0], ""); res.StatusCode != http.StatusSeeOther {
		t.Error("the next link is no good:", res.Status)
	}
	if a, b := NewToken(), NewToken(); a == b || len(a) < 43 {
		t.Error(a, b)
	}
}

// The dashboard's files, and nothing beside them.
func TestFiles(t *testing.T) {
	files := fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html>")}, "assets/app-1a2b.js": {Data: []byte("let x")}, "favicon.svg": {Data: []byte("<svg/>")},
	}
	_, web := serve(t, Config{Web: files})
	for path, want := range map[string]struct {
		status      int
		kind, cache string
	}{
		"/": {200, "text/html; charset=utf-8", "no-cache"}, "/assets/app-1a2b.js": {200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/favicon.svg": {200, "image/svg+xml", "no-cache"}, "/index.html": {200, "text/html; charset=utf-8", "no-cache"},
		"/nope": {404, "application/json", "no-store"}, "/assets": {404, "application/json", "no-store"}, "/%2e%2e/%2e%2e/etc/passwd": {404, "application/json", "no-store"},
		"/..%2f..%2fetc/passwd": {404, "application/json", "no-store"}, "/assets/..%5c..%5cx": {404, "application/json", "no-store"}, "/a%00b": {404, "application/json", "no-store"},
	} {
		res, body := ask(t, http.MethodGet, web.URL+path, "")
		if res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusMovedPermanently {
			res, body = ask(t, http.MethodGet, web.URL+res.Header.Get("Location"), "")
		}
		if res.StatusCode != want.status || res.Header.Get("Content-Type") != want.kind || res.Header.Get("Cache-Control") != want.cache {
			t.Errorf("%s: %s %v %s", path, res.Status, res.Header, body)
		}
		hardened(t, res)
	}
	_, bare := serve(t, Config{})
	if res, body := ask(t, http.MethodGet, bare.URL, ""); res.StatusCode != http.StatusOK || !strings.Contains(body, "make build") {
		t.Error(res.Status, body)
	}
	if res, _ := ask(t, http.MethodPost, bare.URL, "{}", "Content-Type: application/json"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Error(res.Status)
	}
}

// recorded is a steerer that remembers, and refuses to stop.
type recorded struct{ got []Command }

func (r *recorded) Steer(c Command) (string, int64, error) {
	if c.Verb == VerbStop {
		return "", 0, errors.New("it has stopped already")
	}
	r.got = append(r.got, c)
	return "done", 7, nil
}

func TestSteering(t *testing.T) {
	r := &recorded{}
	l := liveRun(t, experiment, r)
	_, web := serve(t, Config{}, l.source)
	url := web.URL + prefix + "/runs/my_run/steer"
	eventually(t, "the run", func() bool { return l.source.run.Seq() > 0 })
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"verb":"pause","reason":"lunch"}`:                        {200, "done"},
		`{"verb":"resume"}`:                                        {200, "done"},
		`{"verb":"stop","now":true}`:                               {409, "it has stopped already"},
		`{"verb":"kill","member":0}`:                               {200, "done"},
		`{"verb":"restart","member":4.0}`:                          {200, "done"},
		`{"verb":"set","member":1,"hypers":{"h0":0.5}}`:            {200, "done"},
		`{"verb":"copy","member":1,"segment":2}`:                   {200, "done"},
		`{"verb":"inject","hypers":{"h0":0.5},"segment":2}`:        {200, "done"},
		`{"verb":"inject"}`:                                        {200, "done"},
		`{"verb":"retire","member":1}`:                             {200, "done"},
		`{"verb":"pin","segment":1}`:                               {200, "done"},
		`{"verb":"unpin","segment":1}`:                             {200, "done"},
		`{"verb":"change","set":{"slots":3}}`:                      {200, "done"},
		`{"verb":"branch","segment":1,"dir":"x","set":{"seed":2}}`: {200, "done"},

		``:                                      {400, "want a JSON object"},
		`[]`:                                    {400, "want a JSON object"},
		`null`:                                  {400, "want a JSON object"},
		`"pause"`:                               {400, "want a JSON object"},
		`{}`:                                    {400, "verb: want one of pause, resume"},
		`{"verb":7}`:                            {400, "verb: want one of"},
		`{"verb":"explode"}`:                    {400, "verb: want one of"},
		`{"verb":"pause"} {}`:                   {400, "something follows"},
		`{"verb":"pause","member":1}`:           {400, "pause takes no \"member\", only verb, reason"},
		`{"verb":"pause","reason":7}`:           {400, "reason: found a number"},
		`{"verb":"pause","REASON":"x"}`:         {400, "takes no \"REASON\""},
		`{"verb":"kill","member":1,"member":2}`: {400, "the name \"member\" occurs twice"},
		`{"verb":"set","member":1,"hypers":{"h0":0.5,"h0":0.6}}`: {400, "the name \"hypers.h0\" occurs twice"},
		"{\"verb\":\"pause\",\"reason\":\"\xff\"}":               {400, "not valid UTF-8"},
		`{"verb":"kill"}`:                                               {400, "kill needs \"member\""},
		`{"verb":"kill","member":null}`:                                 {400, "member: null"},
		`{"verb":"kill","member":-1}`:                                   {400, "there is no member -1"},
		`{"verb":"kill","member":1.5}`:                                  {400, "member: found"},
		`{"verb":"kill","member":"1"}`:                                  {400, "member: found a string"},
		`{"verb":"pin","segment":0}`:                                    {400, "there is no segment 0"},
		`{"verb":"set","member":1}`:                                     {400, "set needs \"hypers\""},
		`{"verb":"set","member":1,"hypers":{}}`:                         {400, "nothing is to be set"},
		`{"verb":"set","member":1,"hypers":{"h0":[]}}`:                  {400, "h0"},
		`{"verb":"set","member":1,"hypers":[1]}`:                        {400, "hyperparameters are a JSON object"},
		`{"verb":"change","set":{}}`:                                    {400, "nothing is to be changed"},
		`{"verb":"branch","segment":1,"dir":""}`:                        {400, "want the new run's directory"},
		`{"verb":"branch","segment":1,"dir":"a\u0000"}`:                 {400, "want the new run's directory"},
		`{"verb":"pause","reason":"` + strings.Repeat("x", 2000) + `"}`: {400, "at most 1000"},
	} {
		res, text := ask(t, http.MethodPost, url, body, "Content-Type: application/json; charset=utf-8")
		if res.StatusCode != want.status || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), want.says) {
			t.Errorf("%s: %s %s, want %d with %q", body, res.Status, text, want.status, want.says)
		}
	}
	if len(r.got) != 13 {
		t.Errorf("%d commands have come through: %+v", len(r.got), r.got)
	}
	for _, c := range r.got {
		if c.Verb == VerbSet && (*c.Member != 1 || c.Hypers.Float("h0") != 0.5) || c.Verb == VerbKill && *c.Member != 0 {
			t.Errorf("%+v", c)
		}
	}
	if run := get[Run](t, web.URL+prefix+"/runs/my_run"); !run.Steerable || !run.Live {
		t.Errorf("%+v", run)
	}
	l.stop()
	<-l.over
	if res, text := ask(t, http.MethodPost, url, `{"verb":"pause"}`, "Content-Type: application/json"); res.StatusCode != http.StatusConflict {
		t.Error(res.Status, text)
	}
}

// Whoever holds all connections there may be, and says nothing, keeps others out for
// no time: a new connection takes the place of one that is unused, before any time limit
// gives it up.
func TestConnectionsThatSayNothing(t *testing.T) {
	s := New(Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l, nil) }()
	url := "http://" + l.Addr().String() + "/healthz"
	for what, say := range map[string]string{
		"kept open after a request": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"in the middle of a header": "GET /healthz HTTP/1.1\r\nHost: local",
		"silent":                    "",
	} {
		var held []net.Conn
		for range maxConnections + 176 {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
			if _, err := c.Write([]byte(say)); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(say, "\r\n\r\n") {
				if _, err := bufio.NewReader(c).ReadString('}'); err != nil {
					t.Fatal(err)
				}
			}
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: readHeaderLimit / 2}
		res, err := client.Get(url)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else {
			_ = res.Body.Close()
		}
		for _, c := range held {
			_ = c.Close()
		}
	}
	if err := errors.Join(s.Shutdown(), <-done); err != nil {
		t.Error(err)
	}
}
