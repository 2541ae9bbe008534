package kustomization

import (
	"encoding/base64"
	"strings"
	"testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// sops is what SOPS notes in a file that it has encrypted.
const sops = `
sops:
  age: [{recipient: age1x, enc: "-----BEGIN AGE ENCRYPTED FILE-----"}]
  lastmodified: "2026-01-02T03:04:05Z"
  mac: ENC[AES256_GCM,data:bWFj,iv:bWFj,tag:bWFj,type:str]
  version: 3.9.0
`

// cipher is a value as SOPS writes it.
func cipher(text string) string {
	return "ENC[AES256_GCM,data:" + base64.StdEncoding.EncodeToString([]byte(text)) + ",iv:aXY=,tag:dGFn,type:str]"
}

// Encrypted files of foreign content are named, whatever form they have and
// wherever a generator puts them.
func TestPreviewOfEncryptedFiles(t *testing.T) {
	s := newStage(t)
	dev := s.may("dev", append(readable, "secrets")...)
	k := s.kustomization(func(spec *kustomizev1.KustomizationSpec) {
		spec.PostBuild = nil
		spec.Decryption = &kustomizev1.Decryption{Provider: "sops"}
	})
	files := map[string]string{
		"deploy/kustomization.yaml": `
resources: [secret.enc.yaml, plain.yaml]
generatorOptions: {disableNameSuffixHash: true}
configMapGenerator:
- {name: files, files: [app.enc.ini, blob.enc.json, readme.txt]}
secretGenerator:
- {name: env, envs: [vars.enc.env]}
- {name: whole, files: [key=nested/config.enc.yaml]}
`,
		"deploy/secret.enc.yaml":        "apiVersion: v1\nkind: Secret\nmetadata: {name: direct}\nstringData: {k: '" + cipher("one") + "', l: plain}\ndata: {m: '" + cipher("two") + "'}" + sops,
		"deploy/plain.yaml":             cm("plain", "k: v") + "\n",
		"deploy/app.enc.ini":            "[section]\nkey = " + cipher("three") + "\n[sops]\nmac = " + cipher("mac") + "\n",
		"deploy/blob.enc.json":          `{"data": "` + cipher("four") + `", "sops": {"mac": "` + cipher("mac") + `", "lastmodified": "x"}}`,
		"deploy/readme.txt":             "nothing to hide",
		"deploy/vars.enc.env":           "A=" + cipher("five") + "\nB=open\nsops_mac=" + cipher("mac") + "\n",
		"deploy/nested/config.enc.yaml": "password: " + cipher("six") + sops,
	}
	upload := preview.Side{Upload: s.tree(files)}
	m, text, err := s.build(preview.Request{Object: k, Caller: dev, To: upload})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "ENC[") || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("ENC["))[:5]) {
		t.Errorf("encrypted text is shown: %s", text)
	}
	for _, tt := range []struct {
		kind, name string
		path       []string
		want       any
	}{
		{"Secret", "direct", []string{"stringData", "k"}, "<encrypted:deploy/secret.enc.yaml>"},
		{"Secret", "direct", []string{"stringData", "l"}, "plain"},
		{"Secret", "direct", []string{"data", "m"}, "<encrypted:deploy/secret.enc.yaml>"},
		{"Secret", "direct", []string{"sops"}, nil},
		{"ConfigMap", "plain", []string{"data", "k"}, "v"},
		{"ConfigMap", "files", []string{"data", "app.enc.ini"}, "<encrypted:deploy/app.enc.ini>"},
		{"ConfigMap", "files", []string{"data", "blob.enc.json"}, "<encrypted:deploy/blob.enc.json>"},
		{"ConfigMap", "files", []string{"data", "readme.txt"}, "nothing to hide"},
		{"Secret", "env", []string{"data", "A"}, "<encrypted:deploy/vars.enc.env>"},
		{"Secret", "env", []string{"data", "B"}, base64.StdEncoding.EncodeToString([]byte("open"))},
		{"Secret", "whole", []string{"data", "key"}, "<encrypted:deploy/nested/config.enc.yaml>"},
	} {
		if got := at(manifest(m, tt.kind, tt.name), tt.path...); got != tt.want {
			t.Errorf("%s/%s %v: %v, want %v", tt.kind, tt.name, tt.path, got, tt.want)
		}
	}

	// What was decrypted and applied is not told where a file of foreign content
	// stands for it.
	s.push("1111", files)
	s.secret("direct", map[string]string{"k": canaryWord, "m": canaryWord})
	s.secret("whole", map[string]string{"key": canaryWord})
	d, text, err := s.diff(preview.Request{Object: k, Caller: dev, From: preview.Side{Live: true}, To: upload})
	if err != nil {
		t.Fatal(err)
	}
	if found := leaks(text); len(found) > 0 {
		t.Errorf("told %v: %s", found, text)
	}
	if o := named(d, "Secret", "whole"); o == nil || o.Action == leatv1alpha1.DiffCreate {
		t.Errorf("not compared: %+v", o)
	}
}
