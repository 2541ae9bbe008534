package hostile

import (
	"strings"
	"testing"
)

// Objects that are well formed and say what nobody should. What is refused only
// when it is used, as in Flux, is in the tests of the engines.
func TestSpecs(t *testing.T) {
	runAll(t, sourceSpecs(), kustomizationSpecs())
}

func sourceSpecs() []attack {
	post := func(name, spec string, says ...string) attack {
		body := `{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository","metadata":{"name":"new"},"spec":{` + spec + `}}`
		return attack{name: "source with " + name, path: repositories + "?dryRun=All", body: text(body), code: 422, says: says}
	}
	rest := `,"interval":"1h"`
	return []attack{
		post("a file for a URL", `"url":"file:///etc/passwd"`+rest, "spec.url"),
		post("a flag for a URL", `"url":"--upload-pack=id"`+rest, "spec.url"),
		post("a script for a URL", `"url":"javascript:alert(1)"`+rest, "spec.url"),
		post("a remote helper for a URL", `"url":"ext::sh -c id"`+rest, "spec.url"),
		post("an interval of nothing", `"url":"https://h/a","interval":"never"`, "spec.interval"),
		post("an interval of ages", `"url":"https://h/a","interval":"`+strings.Repeat("9", 400)+`h"`, "spec.interval"),
		post("an interval of a list", `"url":"https://h/a","interval":"1h,2h"`, "spec.interval"),
		post("a timeout of ages", `"url":"https://h/a","timeout":"9999999h"`+rest, "spec.timeout"),
		post("a range that is none", `"url":"https://h/a","ref":{"semver":"`+strings.Repeat("(", 1000)+`"}`+rest, "spec.ref.semver"),
		post("an unknown provider", `"url":"https://h/a","provider":"evil"`+rest, "spec.provider"),
	}
}

func kustomizationSpecs() []attack {
	post := func(name, spec string, says ...string) attack {
		return attack{name: "Kustomization with " + name, path: kustomizations + "?dryRun=All", body: text(kustomizationWith(spec)), code: 422, says: says}
	}
	expression := func(text string) string {
		return `,"healthCheckExprs":[{"apiVersion":"v1","kind":"Pod","current":"` + text + `"}]`
	}
	return []attack{
		post("an unknown source", `,"sourceRef":{"kind":"Shell","name":"a"}`, "spec.sourceRef"),
		post("5000 dependencies without a name", `,"dependsOn":[{}`+strings.Repeat(`,{}`, 5000)+`]`, "spec.dependsOn"),
		post("5000 variables with bad names", `,"postBuild":{"substitute":{"a":"b"`+numbered(5000, `,"-%d":""`)+`}}`, "spec.postBuild"),
		post("an expression of 200 KiB", expression(strings.Repeat("1+", 100<<10)+"1"), "spec.healthCheckExprs"),
		post("an expression of depth 10000", expression(strings.Repeat("(", 10_000)+"1"+strings.Repeat(")", 10_000)), "spec.healthCheckExprs"),
		post("a prefix that is no name", `,"namePrefix":"`+strings.Repeat("x", 300)+`"`, "spec.namePrefix"),
		post("a patch without anything", `,"patches":[{}]`, "spec.patches"),
		post("a pattern that is none", `,"patches":[{"patch":"a: b","target":{"name":"[("}}]`, "spec.patches"),
		post("images of nothing", `,"images":[{}]`, "spec.images"),
		post("a bad timeout", `,"timeout":"-5m"`, "spec.timeout"),
	}
}
