package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTime is how long one request may take.
const requestTime = 30 * time.Second

// maxAnswer bounds what is read of an answer: a page of a thousand runs with their tags.
const maxAnswer = 64 << 20

// api is a tracking server's REST API, version 2.0.
type api struct {
	base   string
	auth   func(*http.Request)
	client *http.Client
}

// newAPI takes names and passwords from where MLflow's own clients take them.
func newAPI(uri string, getenv func(string) string) api {
	a := api{base: strings.TrimRight(uri, "/"), client: &http.Client{Timeout: requestTime}, auth: func(*http.Request) {}}
	user, password, token := getenv("MLFLOW_TRACKING_USERNAME"), getenv("MLFLOW_TRACKING_PASSWORD"), getenv("MLFLOW_TRACKING_TOKEN")
	switch {
	case user != "":
		a.auth = func(r *http.Request) { r.SetBasicAuth(user, password) }
	case token != "":
		a.auth = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	return a
}

// apiError is a refusal by the server.
type apiError struct {
	what   string
	number int
	status string
	Code   string `json:"error_code"`
	Text   string `json:"message"`
}

func (e *apiError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("MLflow refuses %s: %s %s %s", e.what, e.status, e.Code, e.Text))
}

func isCode(err error, code string) bool {
	var e *apiError
	return errors.As(err, &e) && e.Code == code
}

func (a *api) get(ctx context.Context, what string, query map[string]string, into any) error {
	values := url.Values{}
	for k, v := range query {
		values.Set(k, v)
	}
	return a.call(ctx, http.MethodGet, what, values.Encode(), nil, into)
}

func (a *api) post(ctx context.Context, what string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("say %s to MLflow: %w", what, err)
	}
	return a.call(ctx, http.MethodPost, what, "", text, into)
}

// A request that fails is tried again at once, since a delivery has many, and each
// is to be sent again anyway; but not the one that makes a run: it may have been heard.
const (
	attempts   = 4
	firstPause = 100 * time.Millisecond
)

func (a *api) call(ctx context.Context, method, what, query string, body []byte, into any) error {
	for n := 0; ; n++ {
		err := a.once(ctx, method, what, query, body, into)
		if err == nil || !isPassing(err) || what == "runs/create" || n+1 == attempts {
			return err
		}
		select {
		case <-time.After(firstPause << n):
		case <-ctx.Done():
			return err
		}
	}
}

// isPassing tells whether a fault may be gone the next time.
func isPassing(err error) bool {
	var refusal *apiError
	return !errors.As(err, &refusal) || refusal.number/100 == 5 || refusal.number == http.StatusTooManyRequests
}

func (a *api) once(ctx context.Context, method, what, query string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, a.base+"/api/2.0/mlflow/"+what, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("say %s to MLflow: %w", what, err)
	}
	r.URL.RawQuery = query
	r.Header.Set("Content-Type", "application/json")
	a.auth(r)
	answer, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("say %s to MLflow: %w", what, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read MLflow's answer to %s: %w", what, err)
	}
	if answer.StatusCode != http.StatusOK {
		refusal := &apiError{what: what, number: answer.StatusCode, status: answer.Status}
		_ = json.Unmarshal(text, refusal) // what is no JSON says no more than the status
		refusal.Text = limitedTo(refusal.Text, 300)
		return refusal
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("MLflow's answer to %s is none that is known: %w", what, err)
	}
	return nil
}
