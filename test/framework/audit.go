package framework

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxAuditLine is above the size of any event without bodies.
const maxAuditLine = 1 << 20

// Request is a request that kube-apiserver got, as its audit log has it.
type Request struct {
	ID   string
	User string
	// Impersonated is whom the user acted as, empty for itself.
	Impersonated string
	UserAgent    string
	Verb         string // as RBAC names it: get, list, watch, create, ...
	URI          string
	Group        string
	Resource     string // empty for a request that is not about a resource
	Subresource  string
	Namespace    string
	Name         string
	Code         int // 0 while a watch goes on
	Received     time.Time
}

// Housekeeping says whether the request renews a lease or asks who somebody is
// or what they may do: what a server does at a steady rate whatever it works on.
func (r Request) Housekeeping() bool {
	switch r.Group {
	case "coordination.k8s.io":
		return r.Resource == "leases"
	case "authentication.k8s.io", "authorization.k8s.io":
		return r.Verb == "create"
	}
	return false
}

// AuditRequests returns the requests that kube-apiserver has answered so far and
// for which the filter returns true, in the order of their answers. A request is
// in the log before its answer goes out; one that is still being answered is
// not, but for a watch, which is in it from its beginning.
func (c *Cluster) AuditRequests(filter func(Request) bool) ([]Request, error) {
	logs := filepath.Join(c.Dir, "logs")
	// A log that has grown too large was moved aside, under the time's name.
	files, err := filepath.Glob(filepath.Join(logs, "audit-*.log"))
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	slices.Sort(files)
	requests := &auditReader{seen: map[string]int{}, filter: filter}
	for _, file := range append(files, filepath.Join(logs, "audit.log")) {
		if err := requests.read(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
	}
	return requests.all, nil
}

// auditReader collects requests. A watch is in the log twice, when it begins
// and when it ends; it counts once.
type auditReader struct {
	filter func(Request) bool
	seen   map[string]int // by ID, the index in all
	all    []Request
}

func (a *auditReader) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxAuditLine)
	for lines.Scan() {
		var event auditEvent
		// The last line may not be complete yet.
		if json.Unmarshal(lines.Bytes(), &event) == nil {
			a.add(event.request())
		}
	}
	return lines.Err()
}

func (a *auditReader) add(r Request) {
	if i, ok := a.seen[r.ID]; ok {
		a.all[i] = r
		return
	}
	if a.filter == nil || a.filter(r) {
		a.seen[r.ID] = len(a.all)
		a.all = append(a.all, r)
	}
}

// auditEvent is the part of an audit.k8s.io/v1 Event that Request needs.
type auditEvent struct {
	AuditID                  string    `json:"auditID"`
	Verb                     string    `json:"verb"`
	RequestURI               string    `json:"requestURI"`
	UserAgent                string    `json:"userAgent"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	Stage                    string    `json:"stage"`
	User                     struct {
		Username string `json:"username"`
	} `json:"user"`
	ImpersonatedUser struct {
		Username string `json:"username"`
	} `json:"impersonatedUser"`
	ObjectRef struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func (e auditEvent) request() Request {
	r := Request{
		ID: e.AuditID, User: e.User.Username, Impersonated: e.ImpersonatedUser.Username, UserAgent: e.UserAgent, Verb: e.Verb, URI: e.RequestURI,
		Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
		Received: e.RequestReceivedTimestamp,
	}
	if e.Stage == "ResponseComplete" || e.Stage == "Panic" {
		r.Code = e.ResponseStatus.Code
	}
	return r
}
