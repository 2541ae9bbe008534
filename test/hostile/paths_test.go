package hostile

import (
	"net/http"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	runAll(t, paths(), methods())
}

func paths() []attack {
	long := strings.Repeat("x", 10<<10)
	return []attack{
		{name: "name that does not exist", path: repositories + "/none", code: 404, says: []string{"none"}},
		{name: "name of 10 KB", path: repositories + "/" + long, code: 404},
		{name: "name of 10 KB with a subresource", path: repositories + "/" + long + "/artifact", code: 404},
		{name: "name with an encoded slash", path: repositories + "/a%2fb", code: 404},
		{name: "name that climbs", path: repositories + "/..%2f..%2fkustomizations%2fapp", code: 404},
		{name: "name of dots", path: repositories + "/%2e%2e", code: 400, says: []string{"Name parameter"}},
		{name: "name of dots, plain", path: repositories + "/../kustomizations", code: 404},
		{name: "name with a NUL", path: repositories + "/a%00b", code: 404},
		{name: "name that is no UTF-8", path: repositories + "/%ff%fe", code: 404},
		{name: "name with a line break", path: repositories + "/a%0d%0ab", code: 404},
		{name: "name encoded twice", path: repositories + "/%2572epo", code: 400, says: []string{"Name parameter"}},
		{name: "name with a percent sign", path: repositories + "/a%25b", code: 400, says: []string{"Name parameter"}},
		{name: "namespace that does not exist", path: "/apis/source.toolkit.fluxcd.io/v1/namespaces/none/gitrepositories/repo", code: 404},
		{name: "namespace of 10 KB", path: "/apis/source.toolkit.fluxcd.io/v1/namespaces/" + long + "/gitrepositories", code: 200},
		{name: "namespace that climbs", path: "/apis/source.toolkit.fluxcd.io/v1/namespaces/..%2f..%2fsecrets/gitrepositories", code: 404},
		{name: "create in a namespace that does not exist", path: "/apis/source.toolkit.fluxcd.io/v1/namespaces/none/gitrepositories", body: text(repositoryWith("", "")), code: 404, says: []string{"none"}},
		{name: "unknown subresource", path: repo + "/shell", code: 404},
		{name: "unknown subresource of nothing", path: repositories + "/none/shell", code: 404},
		{name: "subresource of a subresource", path: repo + "/status/status", code: 404},
		{name: "more path than an action has", path: repo + "/reconcile/now", body: text("{}"), code: 404},
		{name: "unknown resource", path: "/apis/source.toolkit.fluxcd.io/v1/namespaces/" + namespace + "/shells", code: 404},
		{name: "unknown version", path: "/apis/source.toolkit.fluxcd.io/v9/namespaces/" + namespace + "/gitrepositories", to: direct, code: 404},
		{name: "internal version", path: "/apis/source.toolkit.fluxcd.io/__internal/namespaces/" + namespace + "/gitrepositories", to: direct, code: 404},
		{name: "unknown group", path: "/apis/shell.toolkit.fluxcd.io/v1/shells", to: direct, code: 404},
		{name: "group of schemas only", path: "/apis/leat.dev/v1alpha1/reconcilerequests", to: direct, code: 404},
		{name: "core group", path: "/api/v1/namespaces/kube-system/secrets", to: direct, code: 404},
		{name: "upper case", path: strings.ToUpper(repositories), to: direct, code: 404},
		{name: "double slashes", path: strings.ReplaceAll(repositories, "/", "//"), to: direct, code: 404},
		{name: "trailing slash", path: repositories + "/", code: 200},
		{name: "path of 512 KiB", path: "/apis/" + strings.Repeat("x/", 256<<10), to: direct, code: 414, says: []string{"URL", "65536"}},
		{name: "profile of a debugger", path: "/debug/pprof/goroutine?debug=2", to: direct, code: 200},
	}
}

func methods() []attack {
	var all []attack
	for _, try := range []struct{ method, path string }{
		{http.MethodPost, repo},
		{http.MethodPut, repositories},
		{http.MethodPatch, repositories},
		{http.MethodPut, repo + "/artifact"},
		{http.MethodPost, repo + "/artifact"},
		{http.MethodDelete, repo + "/artifact"},
		{http.MethodGet, repo + "/reconcile"},
		{http.MethodPut, repo + "/reconcile"},
		{http.MethodDelete, repo + "/reconcile"},
		{http.MethodDelete, repo + "/status"},
		{http.MethodPost, repo + "/status"},
		{http.MethodPost, "/apis/source.toolkit.fluxcd.io/v1/gitrepositories"},
		{"BREW", repo},
		{"TRACE", repo},
		{http.MethodOptions, repo},
		{"get", repo},
	} {
		media := asJSON
		if try.method == http.MethodPatch {
			media = asMerge
		}
		all = append(all, attack{name: try.method + " " + try.path, method: try.method, path: try.path, header: contentType(media), code: 405})
	}
	return all
}
