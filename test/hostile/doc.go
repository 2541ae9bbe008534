// Package hostile sends leat-apiserver what no honest client sends: through
// kube-apiserver, and straight at its port. Each request has to be answered with
// a Status that names the place and the limit. In the meantime the server has to
// stay ready, and afterwards it must not have panicked, nor have grown.
package hostile
