package hostile

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// dial opens a connection of HTTP/1.1 on which anything can be sent.
func (d *door) dial(t *testing.T) *tls.Conn {
	t.Helper()
	config := d.tls.Clone()
	config.NextProtos = nil
	conn, err := tls.Dial("tcp", d.base.Host, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(attackTimeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Requests that no HTTP library would send.
func TestWire(t *testing.T) {
	t.Parallel()
	post := "POST " + repositories + " HTTP/1.1\r\nHost: leat\r\nContent-Type: application/json\r\n"
	for _, test := range []struct {
		name, sent string
		code       int
		plain      bool
		says       []string
	}{
		{"NUL in the path", "GET " + repositories + "/a\x00b HTTP/1.1\r\nHost: leat\r\n\r\n", 400, true, nil},
		{"line break in the path", "GET " + repositories + "/a\rb HTTP/1.1\r\nHost: leat\r\n\r\n", 400, true, nil},
		{"no path", "GET HTTP/1.1\r\nHost: leat\r\n\r\n", 400, true, nil},
		{"absolute URL of somebody else", "GET http://evil.example.com" + repo + " HTTP/1.1\r\nHost: leat\r\n\r\n", 200, true, nil},
		{"no host", "GET " + repo + " HTTP/1.1\r\n\r\n", 400, true, []string{"Host"}},
		{"two hosts", "GET " + repo + " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, true, nil},
		{"NUL in a header", "GET " + repo + " HTTP/1.1\r\nHost: leat\r\nX: a\x00b\r\n\r\n", 400, true, nil},
		{"header without an end", "GET " + repo + " HTTP/1.1\r\nHost: leat\r\nX: " + strings.Repeat("x", 2*mebibyte), 431, true, nil},
		{"HTTP of the future", "GET " + repo + " HTTP/9.9\r\nHost: leat\r\n\r\n", 505, true, nil},
		{"not HTTP", "\x00\x01\x02\r\n\r\n", 400, true, nil},
		{"smuggled by two lengths", post + "Content-Length: 4\r\nContent-Length: 40\r\n\r\nnull", 400, true, nil},
		{"smuggled by length and chunks", post + "Content-Length: 4\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501, true, nil},
		{"length below zero", post + "Content-Length: -1\r\n\r\n", 400, true, nil},
		{"length beyond 64 bits", post + "Content-Length: 99999999999999999999\r\n\r\n", 400, true, nil},
		{"chunk of nonsense", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, false, []string{"chunk"}},
		{"chunk of 16 EiB", post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", 400, false, []string{"chunk"}},
		{"trailers of 100 KiB", post + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n4\r\nnull\r\n0\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 400, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := direct.dial(t)
			if _, err := io.WriteString(conn, test.sent); err != nil {
				t.Fatal(err)
			}
			attack{code: test.code, plain: test.plain, says: test.says}.read(t, conn)
		})
	}
}

// read reads and checks an answer from a connection.
func (a attack) read(t *testing.T, conn io.Reader) {
	t.Helper()
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(reader, nil)
	}
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	a.check(t, resp, body)
}

// A body that never ends is ended by a deadline, and does not keep a connection.
// All are sent at once, because each takes as long as the deadline.
func TestUnfinishedBodies(t *testing.T) {
	t.Parallel()
	head := func(path, more string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: leat\r\nContent-Type: application/json\r\n" + more + "\r\n"
	}
	late := attack{code: http.StatusRequestTimeout, says: []string{"body", "in time"}}
	var all sync.WaitGroup
	defer all.Wait()
	send := func(name string, to *door, text string, expect attack) {
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				conn := to.dial(t)
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
				expect.read(t, conn)
			})
		})
	}
	for _, path := range []string{repositories, repo + "/reconcile", app + "/diff"} {
		send("HTTP/1.1 "+path, direct, head(path, "Content-Length: 1000\r\n")+`{"apiVersion":`, late)
		all.Go(func() {
			t.Run("HTTP/2 "+path, func(t *testing.T) {
				body, writer := io.Pipe()
				defer writer.Close()
				go func() { _, _ = io.WriteString(writer, `{"apiVersion":`) }() // ends with the request
				a := late
				a.path, a.header, a.body = path, contentType(asJSON), func() io.Reader { return body }
				a.send(t, direct.http2())
			})
		})
	}
	send("upload", direct, head(app+"/build", "Content-Length: 1000\r\n")+"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", late)
	send("4 GB announced, and nothing sent", direct, head(repositories, "Expect: 100-continue\r\nContent-Length: 4000000000\r\n"), late)
	send("that nobody reads", leatDoor(t), head(repositories, "Content-Length: 1000\r\n")+`{"apiVersion":`, attack{code: http.StatusForbidden, says: []string{"system:anonymous"}})
	for _, path := range []string{repositories, repo + "/reconcile", app + "/diff"} {
		conn := direct.dial(t)
		if _, err := io.WriteString(conn, head(path, "Content-Length: 1000\r\n")+`{"apiVersion":`); err != nil {
			t.Error(err)
		}
		conn.Close() // an answer may come or not: who has gone does not read it
	}
}

// http2 is the same way in by HTTP/2.
func (d *door) http2() *door {
	config := d.tls.Clone()
	config.NextProtos = []string{"h2"}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: attackTimeout}
	return &door{base: d.base, tls: config, client: client}
}
