package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How long an answer serves again while a run goes on: as long as its making took,
// times this, so that questions take a bounded share of a processor; and at least
// so long that many who ask at the same time get the same.
const (
	reuseFactor = 4
	reuseLeast  = 40 * time.Millisecond
	reuseMost   = 2 * time.Second
	maxAnswers  = 128
	maxKept     = 64 << 20 // bytes of them
	gzipFrom    = 4 << 10  // bytes
)

// answer is what is sent: a body with its type.
type answer struct {
	kind string
	name string // of a file to download; "" for none
	body []byte
	etag string

	zip    sync.Once
	zipped []byte // nil: it is too small
}

// text is an answer that is no JSON.
type text struct{ kind, name, body string }

func makeAnswer(q *request, rt *route) (*answer, error) {
	v, err := rt.handle(q)
	if err != nil {
		return nil, err
	}
	a := &answer{kind: "application/json"}
	if t, ok := v.(text); ok {
		a.kind, a.name, a.body = t.kind, t.name, []byte(t.body)
	} else if a.body, err = json.Marshal(v); err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	h := fnv.New64a()
	_, _ = h.Write(a.body)
	a.etag = fmt.Sprintf(`"%x"`, h.Sum64())
	return a, nil
}

// compressed is the body, compressed; nil if that is not worth it.
func (a *answer) compressed() []byte {
	a.zip.Do(func() {
		if len(a.body) < gzipFrom {
			return
		}
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level exists
		_, _ = z.Write(a.body)                          // memory takes everything
		_ = z.Close()
		a.zipped = b.Bytes()
	})
	return a.zipped
}

// answers are those that may serve again.
type answers struct {
	mu    sync.Mutex
	kept  map[string]*keptAnswer
	bytes int
}

// keptAnswer is made by one of those who ask for it; the others wait.
type keptAnswer struct {
	mu     sync.Mutex
	answer *answer
	live   bool
	seq    int64
	at     time.Time
	cost   time.Duration
}

func (k *keptAnswer) fresh(q *request) bool {
	switch {
	case k.answer == nil || k.live != q.source.live.Load():
		return false
	case !k.live && k.seq == q.source.run.Seq() && time.Since(k.at) < time.Second:
		return true
	}
	return time.Since(k.at) < min(reuseMost, max(reuseLeast, reuseFactor*k.cost))
}

func (all *answers) get(q *request, rt *route) (*answer, error) {
	k := all.place(fmt.Sprint(q.source.number, " ", rt.path, " ", q.key(rt)))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fresh(q) {
		return k.answer, nil
	}
	start := time.Now()
	k.live, k.seq = q.source.live.Load(), q.source.run.Seq()
	a, err := makeAnswer(q, rt)
	if err != nil {
		return nil, err
	}
	all.grow(a.size() - k.answer.size())
	k.answer, k.at, k.cost = a, time.Now(), time.Since(start)
	return a, nil
}

// size is about how many bytes an answer takes, compressed once more; nil takes none.
func (a *answer) size() int {
	if a == nil {
		return 0
	}
	return len(a.body) + len(a.body)/4
}

// grow counts what is kept.
func (all *answers) grow(bytes int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.bytes += bytes; all.bytes > maxKept {
		all.kept, all.bytes = nil, 0
	}
}

// key is a request's parameters, whatever their order and with their defaults.
func (q *request) key(rt *route) string {
	var b strings.Builder
	for _, p := range rt.params {
		fmt.Fprintf(&b, "%d %q ", q.nums[p.name], q.words[p.name])
	}
	return b.String()
}

func (all *answers) place(key string) *keptAnswer {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.kept == nil || len(all.kept) >= maxAnswers && all.kept[key] == nil {
		all.kept, all.bytes = map[string]*keptAnswer{}, 0 // all at once: simple, and seldom
	}
	k := all.kept[key]
	if k == nil {
		k = &keptAnswer{}
		all.kept[key] = k
	}
	return k
}

// send sends an answer, or says that the asker has it already.
func (s *Server) send(w http.ResponseWriter, r *http.Request, a *answer, err error) {
	if err != nil {
		s.fail(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // ask again, with the etag
	h.Set("Etag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	if a.name != "" {
		h.Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
	}
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.body
	if accepts(r, "gzip") {
		if zipped := a.compressed(); zipped != nil {
			h.Set("Content-Encoding", "gzip")
			body = zipped
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever has gone needs no answer
	}
}

// accepts tells whether whoever asks can read an encoding.
func accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == encoding && !strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0") {
			return true
		}
	}
	return false
}
