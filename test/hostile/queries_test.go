package hostile

import (
	"net/http"
	"strings"
	"testing"
)

func TestQueries(t *testing.T) {
	runAll(t, listQueries(), selectors(), watchQueries(), writeQueries(), artifactQueries())
}

func listQueries() []attack {
	return []attack{
		{name: "limit below zero", path: repositories + "?limit=-1", code: 200},
		{name: "limit that is no number", path: repositories + "?limit=all", code: 400, says: []string{"limit"}},
		{name: "limit beyond 64 bits", path: repositories + "?limit=99999999999999999999", code: 400, says: []string{"limit"}},
		{name: "continue of nonsense", path: repositories + "?limit=1&continue=AAAA", code: 400, says: []string{"continue"}},
		{name: "continue of 60 KiB", path: repositories + "?limit=1&continue=" + strings.Repeat("A", 60<<10), code: 400, says: []string{"continue"}},
		{name: "continue to another group", path: repositories + "?limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi8uLi8uLi8uLi8ifQ", code: 400, says: []string{"continue"}},
		{name: "continue with a resource version", path: repositories + "?limit=1&resourceVersion=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0", code: 400},
		{name: "resource version that is no number", path: repositories + "?resourceVersion=latest", code: 400, says: []string{"resourceVersion"}},
		{name: "resource version below zero", path: repositories + "?resourceVersion=-1", code: 400, says: []string{"resourceVersion"}},
		{name: "resource version beyond 64 bits", path: repositories + "?resourceVersion=18446744073709551616", code: 400, says: []string{"resourceVersion"}},
		{name: "resource version of the future", path: repositories + "?resourceVersion=9223372036854775807", to: direct, code: 504},
		{name: "match without a version", path: repositories + "?resourceVersionMatch=Exact", code: 422, says: []string{"resourceVersionMatch"}},
		{name: "match of nonsense", path: repositories + "?resourceVersion=1&resourceVersionMatch=Maybe", code: 422, says: []string{"resourceVersionMatch", "Maybe"}},
		{name: "version of nonsense of one object", path: repo + "?resourceVersion=x", code: 400, says: []string{"resourceVersion"}},
		{name: "unknown parameter", path: repositories + "?shell=id", code: 200},
		{name: "1000 parameters", path: repositories + "?limit=1" + numbered(1000, "&p%d=1"), code: 200},
		{name: "repeated parameter", path: repositories + "?limit=1&limit=x", code: 200},
		{name: "broken escape", path: repositories + "?limit=%zz", to: direct, code: 400, says: []string{"query", "%zz"}},
		{name: "semicolons", path: repositories + "?dryRun=All;continue=x", to: direct, code: 400, says: []string{"query", "semicolon"}},
		{name: "pretty nonsense", path: repositories + "?pretty=%00", code: 200},
		{name: "query of 512 KiB", path: repositories + "?x=" + strings.Repeat("x", 512<<10), code: 414, says: []string{"URL", "65536"}},
	}
}

func selectors() []attack {
	return []attack{
		{name: "label selector of nonsense", path: repositories + "?labelSelector=((", code: 400, says: []string{"labelSelector"}},
		{name: "label selector with a bad key", path: repositories + "?labelSelector=a//b=c", code: 400, says: []string{"labelSelector", "a//b"}},
		{name: "label selector of 5000 values", path: repositories + "?labelSelector=a+in+(x" + numbered(5000, ",v%d") + ")", code: 400, says: []string{"labelSelector", "5001", "1000"}},
		{name: "label selector of 5000 requirements", path: repositories + "?labelSelector=a" + numbered(5000, ",a%d"), code: 400, says: []string{"labelSelector", "5001", "1000"}},
		{name: "label selector of 900 bad values", path: repositories + "?labelSelector=a+in+(x" + numbered(900, ",-%d-") + ")", to: direct, code: 400, says: []string{"labelSelector"}},
		{name: "label selector of 900 bad values to delete", method: http.MethodDelete, path: repositories + "?dryRun=All&labelSelector=a+in+(x" + numbered(900, ",-%d-") + ")", to: direct, code: 400, says: []string{"labelSelector"}},
		{name: "label selector with a number of 400 digits", path: repositories + "?labelSelector=a%3E" + strings.Repeat("9", 400), code: 400, says: []string{"labelSelector"}},
		{name: "field selector of an unknown field", path: repositories + "?fieldSelector=spec.password=x", code: 400, says: []string{"spec.password"}},
		{name: "field selector of nonsense", path: repositories + "?fieldSelector=((", code: 400, says: []string{"(("}},
		{name: "field selector with a bad escape", path: repositories + `?fieldSelector=metadata.name=\x`, code: 400},
		{name: "field selector of 20000 terms", path: repositories + "?fieldSelector=metadata.name=a" + strings.Repeat(",metadata.name=a", 3000), code: 400, says: []string{"fieldSelector", "3001", "1000"}},
		{name: "field selector of a path", path: repositories + "?fieldSelector=metadata.name=../../kube-system/x", code: 200},
	}
}

func watchQueries() []attack {
	return []attack{
		{name: "timeout that is no number", path: repositories + "?watch=1&timeoutSeconds=forever", code: 400, says: []string{"timeoutSeconds"}},
		{name: "timeout beyond 64 bits", path: repositories + "?timeoutSeconds=99999999999999999999", code: 400, says: []string{"timeoutSeconds"}},
		{name: "watch of nonsense", path: repositories + "?watch=maybe&timeoutSeconds=1", code: 200},
		{name: "watch from a version of nonsense", path: repositories + "?watch=1&resourceVersion=x&timeoutSeconds=1", code: 400, says: []string{"resourceVersion"}},
		{name: "initial events without a match", path: repositories + "?watch=1&sendInitialEvents=true", code: 422, says: []string{"resourceVersionMatch"}},
		{name: "initial events of a list", path: repositories + "?sendInitialEvents=true", code: 422, says: []string{"sendInitialEvents"}},
		{name: "watch of an unknown field", path: repositories + "?watch=1&fieldSelector=spec.password=x", code: 400, says: []string{"spec.password"}},
	}
}

func writeQueries() []attack {
	body := func() attack {
		return attack{path: repositories, header: contentType(asJSON), body: text(repositoryWith("", ""))}
	}
	with := func(name, query string, code int, says ...string) attack {
		a := body()
		a.name, a.path, a.code, a.says = name, a.path+query, code, says
		return a
	}
	return []attack{
		with("dry run that is none", "?dryRun=Some", 422, "dryRun", "All"),
		with("field validation that is none", "?dryRun=All&fieldValidation=Loose", 422, "fieldValidation", "Strict"),
		with("field manager of 129 bytes", "?dryRun=All&fieldManager="+strings.Repeat("m", 129), 422, "fieldManager", "128"),
		with("field manager with control characters", "?dryRun=All&fieldManager=a%0d%0ab", 422, "fieldManager"),
		with("dry run 1000 times", "?dryRun=All"+strings.Repeat("&dryRun=All", 1000), 201),
		with("time limit of an hour", "?dryRun=All&timeout=1h", 201),
		with("time limit that is none", "?dryRun=All&timeout=soon", 400, "timeout"),
		with("time limit below zero", "?dryRun=All&timeout=-1s", 201),
		{name: "forced patch that is no apply", method: http.MethodPatch, path: repo + "?force=true", header: contentType(asMerge), body: text("{}"), code: 422, says: []string{"force"}},
		{name: "grace of nonsense", method: http.MethodDelete, path: repo + "?gracePeriodSeconds=long", code: 400, says: []string{"gracePeriodSeconds"}},
		{name: "grace and two policies", method: http.MethodDelete, path: repo + "?propagationPolicy=Foreground&orphanDependents=true", code: 422, says: []string{"orphanDependents"}},
	}
}

func artifactQueries() []attack {
	artifact := repo + "/artifact"
	long := strings.Repeat("x", 50<<10)
	return []attack{
		{name: "artifact as a zip", path: artifact + "?output=zip", code: 400, says: []string{"output", "zip", "tar", "list"}},
		{name: "artifact as 50 KiB", path: artifact + "?output=" + long, code: 400, says: []string{"output", "1024"}},
		{name: "revision of 50 KiB", path: artifact + "?revision=" + long, code: 400, says: []string{"revision", "1024"}},
		{name: "revision with a line break", path: artifact + "?revision=main%0d%0aX-Evil:%201", code: 404, says: []string{"revision"}},
		{name: "revision that is a flag", path: artifact + "?revision=--upload-pack=id", code: 404, says: []string{"revision"}},
		{name: "digest that climbs", path: artifact + "?digest=sha256:../../../../etc/passwd", code: 400, says: []string{"digest"}},
		{name: "digest of 50 KiB", path: artifact + "?digest=" + long, code: 400, says: []string{"digest", "1024"}},
		{name: "digest of another object", path: artifact + "?digest=sha256:" + strings.Repeat("0", 64), code: 404, says: []string{"digest"}},
		{name: "path by query", path: artifact + "?path=../../../../etc/passwd&output=list", code: 200},
		{name: "path of 50 KiB", path: artifact + "/" + long, code: 400, says: []string{"path", "1024"}},
		{name: "path that climbs", path: artifact + "/deploy/../../../../../../etc/passwd", code: 404},
		{name: "path that climbs, encoded", path: artifact + "/..%2f..%2f..%2fetc%2fpasswd", code: 404},
		{name: "path that climbs, encoded twice", path: artifact + "/%252e%252e%252f%252e%252e%252fetc/passwd", code: 404},
		{name: "path that climbs, backwards", path: artifact + `/..\..\etc\passwd`, code: 404},
		{name: "path with a NUL", path: artifact + "/deploy%00/one.yaml", code: 404},
		{name: "path that is no UTF-8", path: artifact + "/%ff%fe", code: 404},
		{name: "absolute path", path: artifact + "//etc/passwd", code: 404},
		{name: "directory as a file", path: artifact + "/deploy", code: 404, says: []string{"deploy", "output=list"}},
		{name: "file named like a climb", path: artifact + "/docs/..%252f..%252fetc/passwd.html", code: 200},
		{name: "artifact of what has none", path: repositories + "/empty/artifact", code: 404, says: []string{"empty"}},
		{name: "artifact of what is no source", path: app + "/artifact", code: 404},
	}
}
