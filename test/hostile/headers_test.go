package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	runAll(t, acceptHeaders(), rangeHeaders(), identityHeaders())
}

func accept(value string) http.Header { return http.Header{"Accept": {value}} }

func acceptHeaders() []attack {
	return []attack{
		{name: "nothing that exists", path: repo, header: accept("image/png"), code: 406, says: []string{"application/json"}},
		{name: "nonsense", path: repo, header: accept(";;;,,,q=,/"), code: 406, says: []string{"application/json"}},
		{name: "protobuf only", path: repo, header: accept("application/vnd.kubernetes.protobuf"), code: 406, says: []string{"application/json"}, plain: true},
		{name: "5000 types", path: repo, header: accept(strings.Repeat("image/png, ", 5000) + "application/json"), code: 200},
		{name: "5000 weights", path: repo, header: accept(strings.Repeat("application/json;q=0.00001, ", 5000) + "application/json"), code: 200},
		{name: "table of a version that is none", path: repo, header: accept("application/json;as=Table;v=v99;g=meta.k8s.io"), code: 406},
		{name: "table of an action", path: repo + "/reconcile", header: accept("application/json;as=Table;v=v1;g=meta.k8s.io"), body: text("{}"), code: 406},
		{name: "metadata of an artifact", path: repo + "/artifact", header: accept("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"), code: 200},
		{name: "artifact as a picture", path: repo + "/artifact", header: accept("image/png"), code: 406, says: []string{"image/png", "application/gzip"}},
		{name: "Accept of 200 KiB", path: repo + "/artifact", header: accept(strings.Repeat("x", 200<<10)), code: 406},
		{name: "refusal to a client that takes nothing", path: repositories + "/none", header: accept("image/png"), code: 406},
	}
}

func rangeHeaders() []attack {
	file := repo + "/artifact/big.txt"
	ranges := func(value string) http.Header { return http.Header{"Range": {value}} }
	return []attack{
		{name: "range beyond the end", path: file, header: ranges("bytes=99999999-"), code: 416, says: []string{"range"}},
		{name: "range backwards", path: file, header: ranges("bytes=100-1"), code: 416, says: []string{"range"}},
		{name: "range of another unit", path: file, header: ranges("lines=1-2"), code: 416, says: []string{"range"}},
		{name: "range of nonsense", path: file, header: ranges("bytes=a-b"), code: 416, says: []string{"range"}},
		{name: "range below zero", path: file, header: ranges("bytes=-99999999999999999999"), code: 416, says: []string{"range"}},
		{name: "range beyond 64 bits", path: file, header: ranges("bytes=0-18446744073709551616"), code: 416, says: []string{"range"}},
		{name: "5000 ranges that overlap", path: file, header: ranges("bytes=0-" + strings.Repeat(",0-", 5000)), code: 416, says: []string{"Range", "16"}},
		{name: "5000 ranges of a byte", path: file, header: ranges("bytes=0-0" + numbered(5000, ",%d-%[1]d")), code: 416, says: []string{"Range", "16"}},
		{name: "ranges of an archive", path: repo + "/artifact", header: ranges("bytes=0-" + strings.Repeat(",0-", 5000)), code: 416, says: []string{"Range", "16"}},
		{name: "two ranges", path: file, header: ranges("bytes=0-0,5-6"), code: 206},
		{name: "ranges of a list", path: repositories, header: ranges("bytes=0-1"), code: 200},
		{name: "If-Range of 100 KiB", path: file, header: http.Header{"Range": {"bytes=0-1"}, "If-Range": {strings.Repeat("x", 100<<10)}}, code: 200},
		{name: "If-None-Match of 20000 tags", path: file, header: http.Header{"If-None-Match": {strings.Repeat(`"x", `, 20_000) + `"y"`}}, code: 200},
		{name: "If-None-Match 500 times", path: file, header: http.Header{"If-None-Match": strings.Split(strings.Repeat(`"x" `, 500), " ")}, code: 200},
		{name: "If-None-Match that never ends", path: file, header: http.Header{"If-None-Match": {`"` + strings.Repeat("x", 100<<10)}}, code: 200},
		{name: "If-None-Match of a list", path: repo + "/artifact?output=list", header: http.Header{"If-None-Match": {strings.Repeat(`"x", `, 20_000)}}, code: 200},
		{name: "If-Match of what is not there", path: file, header: http.Header{"If-Match": {`"x"`}}, code: 412, says: []string{"precondition"}},
		{name: "If-Modified-Since of nonsense", path: file, header: http.Header{"If-Modified-Since": {"yesterday"}}, code: 200},
	}
}

func identityHeaders() []attack {
	many := http.Header{}
	for i := range 2000 {
		many.Set(fmt.Sprintf("X-Header-%d", i), "x")
	}
	return []attack{
		{name: "2000 headers", path: repo, header: many, code: 200},
		{name: "header of 512 KiB", path: repo, header: http.Header{"X-Header": {strings.Repeat("x", 512<<10)}}, to: direct, code: 200},
		{name: "header of 2 MiB", path: repo, header: http.Header{"X-Header": {strings.Repeat("x", 2*mebibyte)}}, code: 431, plain: true},
		{name: "audit ID of 100 KiB", path: repo, header: http.Header{"Audit-Id": {strings.Repeat("x", 100<<10)}}, code: 200},
		{name: "another host", path: repo, header: http.Header{"X-Forwarded-Host": {"evil.example.com"}, "X-Forwarded-For": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1"}}, code: 200},
		{name: "another method by a header", path: repo, header: http.Header{"X-Http-Method-Override": {"DELETE"}}, code: 200},
		{name: "user agent of 100 KiB", path: repo, header: http.Header{"User-Agent": {strings.Repeat("x", 100<<10)}}, code: 200},
		{name: "upgrade", path: repo, header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}, to: direct, code: 200},
		{name: "upgrade of an artifact", path: repo + "/artifact", header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}, to: direct, code: 200},
		{name: "upgrade through the aggregator", path: repo + "/artifact", header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}, to: through, code: 503, plain: true},
		{name: "tracing of nonsense", path: repo, header: http.Header{"Traceparent": {strings.Repeat("0", 10<<10)}}, code: 200},
		{name: "expectation", path: repo, header: http.Header{"Expect": {"200-ok"}}, to: direct, code: 417, plain: true},
		{name: "preflight of a browser", method: http.MethodOptions, path: repo, header: http.Header{"Origin": {"https://evil.example.com"}, "Access-Control-Request-Method": {"DELETE"}}, code: 405},
	}
}
