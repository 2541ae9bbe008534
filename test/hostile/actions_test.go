package hostile

import (
	"fmt"
	"strings"
	"testing"
)

// request is a body of an action.
func request(kind, spec string) string {
	return `{"apiVersion":"leat.dev/v1alpha1","kind":"` + kind + `","spec":` + spec + `}`
}

func TestActions(t *testing.T) {
	runAll(t, reconciles(), suspensions(), previews(), readers())
}

func reconciles() []attack {
	post := func(name, spec string, code int, says ...string) attack {
		return attack{name: "reconcile " + name, path: repo + "/reconcile?dryRun=All", body: text(request("ReconcileRequest", spec)), code: code, says: says}
	}
	return []attack{
		post("that waits for long", `{"waitSeconds":31}`, 422, "spec.waitSeconds", "30"),
		post("that waits for less than nothing", `{"waitSeconds":-1}`, 422, "spec.waitSeconds", "0"),
		post("of a source's source", `{"withSource":true}`, 422, "spec.withSource"),
		post("of what is unknown", `{"shell":"id"}`, 201),
		{name: "reconcile of what does not exist", path: repositories + "/none/reconcile", body: text(request("ReconcileRequest", `{}`)), code: 404, says: []string{"none"}},
		{name: "reconcile of what is suspended", path: repositories + "/empty/reconcile", body: text(request("ReconcileRequest", `{}`)), code: 409, says: []string{"suspended"}},
	}
}

func suspensions() []attack {
	post := func(name, kind, spec string, says ...string) attack {
		subresource := strings.ToLower(strings.TrimSuffix(kind, "Request"))
		return attack{name: subresource + " " + name, path: repo + "/" + subresource + "?dryRun=All", body: text(request(kind, spec)), code: 422, says: says}
	}
	long := strings.Repeat("x", 100<<10)
	return []attack{
		post("until yesterday", "SuspendRequest", `{"until":"2001-01-01T00:00:00Z"}`, "spec.until"),
		post("until the end of time", "SuspendRequest", `{"until":"9999-12-31T23:59:59Z"}`, "spec.until"),
		post("for less than nothing", "SuspendRequest", `{"until":"-1h"}`, "spec.until"),
		post("for ever", "SuspendRequest", `{"until":"99999999h"}`, "spec.until"),
		post("until nonsense", "SuspendRequest", `{"until":"soon\u0000"}`, "spec.until"),
		post("for a reason of 100 KiB", "SuspendRequest", `{"reason":"`+long+`"}`, "spec.reason"),
		post("until 100 KiB", "SuspendRequest", `{"until":"`+long+`"}`, "spec.until"),
		post("for a reason of 100 KiB", "ResumeRequest", `{"reason":"`+long+`"}`, "spec.reason"),
		{name: "suspend of another kind", path: repo + "/suspend", body: text(request("ResumeRequest", `{}`)), code: 400, says: []string{"ResumeRequest"}},
		{name: "annotations of suspensions by hand", method: "PATCH", path: repo, header: contentType(asMerge), body: text(`{"metadata":{"annotations":{"leat.dev/suspended-by":"system:admin"}}}`), code: 200},
	}
}

func previews() []attack {
	post := func(name, kind, spec string, code int, says ...string) attack {
		subresource := strings.ToLower(strings.TrimSuffix(kind, "Request"))
		return attack{name: subresource + " of " + name, path: app + "/" + subresource, body: text(request(kind, spec)), code: code, says: says}
	}
	var all []attack
	for _, kind := range []string{"BuildRequest", "DiffRequest"} {
		all = append(all,
			post("a revision of 2 KB", kind, `{"revision":"`+strings.Repeat("x", 2000)+`"}`, 422, "spec.revision", "1024"),
			post("a revision that is a flag", kind, `{"revision":"--upload-pack=id"}`, 422, "revision"),
			post("a revision that climbs", kind, `{"revision":"refs/heads/../../../config"}`, 422, "revision"),
			post("a revision with a line break", kind, `{"revision":"main\n0000"}`, 422, "revision"),
			post("a revision with a NUL", kind, `{"revision":"a\u0000b"}`, 422, "revision"),
			post("a revision that is a pattern", kind, `{"revision":"refs/heads/*"}`, 422, "revision"),
			post("a revision that is an expression", kind, `{"revision":"main@{upstream}"}`, 422, "revision"),
			post("a branch that is not there", kind, `{"revision":"none"}`, 422, "none"),
			post("a commit that is not there", kind, `{"revision":"`+strings.Repeat("0", 39)+`1"}`, 422, "0001"),
			post("101 filters", kind, `{"show":[{}`+strings.Repeat(`,{}`, 100)+`]}`, 422, "spec.show", "100"),
			post("20000 filters", kind, `{"show":[{}`+strings.Repeat(`,{}`, 20_000)+`]}`, 422, "spec.show", "100"),
			post("a field that does not exist", kind, `{"command":"id"}`, 400, "spec.command"),
			post("2 MiB", kind, `{"revision":"`+strings.Repeat("x", 2*mebibyte)+`"}`, 413, "1048576"),
			post("depth 100000", kind, strings.Repeat(`[`, 100_000), 400, "deeper than 512"),
		)
	}
	for _, subresource := range []string{"build", "diff"} {
		path := app + "/" + subresource
		all = append(all,
			attack{name: subresource + " of a YAML bomb", path: path, header: contentType(asYAML), body: text(yamlBomb), code: 400, says: []string{"alias"}},
			attack{name: subresource + " of nothing", path: path, body: text(""), code: 400, says: []string{"empty"}},
			attack{name: subresource + " as a program", path: path + "?output=exe", code: 400, says: []string{"output", "exe"}},
			attack{name: subresource + " of an ID that climbs", path: path + "?id=../../x", code: 404, says: []string{"ID"}},
			attack{name: subresource + " of an ID of 10 KiB", path: path + "?id=" + strings.Repeat("x", 10<<10), code: 400, says: []string{"id", "1024"}},
			attack{name: subresource + " as a picture", path: path, header: accept("image/png"), code: 406, says: []string{"image/png"}},
		)
	}
	return append(all,
		attack{name: "build of the cluster", path: app + "/build?revision=live", code: 400, says: []string{"revision", "cluster"}},
		attack{name: "build of a revision that is not kept", path: app + "/build?revision=../x", code: 404, says: []string{"../x"}},
		attack{name: "diff of live with itself", path: app + "/diff?from=live&to=live", code: 400, says: []string{"live"}},
		attack{name: "diff of revisions of 10 KiB", path: app + "/diff?from=" + strings.Repeat("x", 10<<10), code: 400, says: []string{"from", "1024"}},
		attack{name: "diff with prune that is neither", path: app + "/diff?prune=maybe", code: 400, says: []string{"prune"}},
	)
}

func readers() []attack {
	var all []attack
	for _, path := range []string{repo, app} {
		for query, says := range map[string]string{
			"tail=-1":                   "tail",
			"tail=all":                  "tail",
			"tail=99999999999999999999": "tail",
			"since=forever":             "since",
			"since=-1h":                 "since",
			"since=9999999999h":         "since",
			"follow=maybe":              "follow",
			"output=exe":                "output",
			"requestID=" + strings.Repeat("x", 10<<10): "requestID",
		} {
			all = append(all, attack{name: fmt.Sprintf("log of %s?%.20s", path, query), path: path + "/log?" + query, code: 400, says: []string{says}})
		}
	}
	return append(all,
		attack{name: "history below zero", path: app + "/history?limit=-1", code: 400, says: []string{"limit"}},
		attack{name: "history of all", path: app + "/history?limit=all", code: 400, says: []string{"limit"}},
		attack{name: "history as a program", path: app + "/history?output=exe", code: 400, says: []string{"output"}},
		attack{name: "history as a picture", path: app + "/history", header: accept("image/png"), code: 406},
		attack{name: "log as a picture", path: app + "/log", header: accept("image/png"), code: 406},
		attack{name: "log of what does not exist", path: kustomizations + "/none/log?follow=true", code: 404, says: []string{"none"}},
		attack{name: "tree as a program", path: app + "/tree?output=exe", code: 400, says: []string{"output"}},
		attack{name: "tree of a source", path: repo + "/tree", code: 404},
	)
}
