package gitserver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// peeked is enough for the first line of a compressed or plain request.
const peeked = 1024

// maxRequests bounds what is remembered of a server that runs for weeks; beyond
// it the older half is forgotten.
const maxRequests = 100_000

// Request is a request that a client has made.
type Request struct {
	Method string
	// Repository is the path of the repository, such as "demo.git".
	Repository string
	// Service is git-upload-pack for a fetch and git-receive-pack for a push.
	Service string
	// Command is what is asked for:
	//
	//	capabilities  the first request of every exchange; in the old protocol
	//	              its answer lists the refs, too
	//	ls-refs       a list of refs, in protocol version 2
	//	fetch         objects
	//	push          refs and objects are sent
	Command string
	// Version is the protocol that the client asked for, "" for the oldest.
	Version string
	Status  int
	// Sent is the size of the answer's body.
	Sent int64
}

// Requests returns the requests that were answered since the start or the last
// ForgetRequests.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ForgetRequests makes Requests begin anew.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := describe(r)
		counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
		// Written down also when the client has gone in the middle of it.
		defer func() {
			request.Status, request.Sent = counted.status, counted.sent
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.requests) >= maxRequests {
				s.requests = slices.Clone(s.requests[maxRequests/2:])
			}
			s.requests = append(s.requests, request)
		}()
		next.ServeHTTP(counted, r)
	})
}

var version2Command = regexp.MustCompile(`^[0-9a-f]{4}command=([a-z-]+)`)

func describe(r *http.Request) Request {
	d := Request{Method: r.Method, Version: strings.TrimPrefix(r.Header.Get("Git-Protocol"), "version=")}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if repository, ok := strings.CutSuffix(path, "/info/refs"); ok {
		d.Repository, d.Service, d.Command = repository, r.URL.Query().Get("service"), "capabilities"
		return d
	}
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return d
	}
	d.Repository, d.Service = path[:slash], path[slash+1:]
	switch d.Service {
	case "git-receive-pack":
		d.Command = "push"
	case "git-upload-pack":
		d.Command = "fetch"
		if found := version2Command.FindSubmatch(peek(r)); found != nil {
			d.Command = string(found[1])
		}
	}
	return d
}

// peek returns the beginning of a request's body and leaves it to be read.
func peek(r *http.Request) []byte {
	reader := bufio.NewReaderSize(r.Body, peeked)
	start, _ := reader.Peek(peeked) // fewer when the body is shorter
	r.Body = struct {
		io.Reader
		io.Closer
	}{reader, r.Body}
	if r.Header.Get("Content-Encoding") != "gzip" {
		return start
	}
	plain, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return nil
	}
	line := make([]byte, 64)
	n, _ := io.ReadFull(plain, line) // the beginning is cut off somewhere
	return line[:n]
}

type countingWriter struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
