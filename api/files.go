package api

import (
	"bytes"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// files serves the dashboard. What is named by its content never changes.
func (s *Server) files(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	if s.config.Web == nil {
		if name == "index.html" {
			notBuilt(w)
			return
		}
		writeError(w, http.StatusNotFound, "there is no such page")
		return
	}
	content, err := fs.ReadFile(s.config.Web, name)
	if err != nil {
		writeError(w, http.StatusNotFound, "there is no such page")
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		h.Set("Content-Type", kind)
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func notBuilt(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`This pbt was built without its dashboard. To build it in: make build

The API is here all the same:
  ` + prefix + `/runs       the runs
  /openapi.json      what there is to ask
  /metrics           for Prometheus
`))
}
