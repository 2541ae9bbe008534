package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The kinds of the query parameters of subresources.
const (
	BuildOptionsKind   = "BuildOptions"
	DiffOptionsKind    = "DiffOptions"
	LogOptionsKind     = "LogOptions"
	TreeOptionsKind    = "TreeOptions"
	HistoryOptionsKind = "HistoryOptions"
)

// BuildOptions are the query parameters of the subresource build. Admission
// policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type BuildOptions struct {
	metav1.TypeMeta `json:",inline"`

	// How the manifests are written: yaml or json. Defaults to yaml.
	//
	// +optional
	Output string `json:"output,omitempty"`

	// Retained revision of the source to build. Defaults to the current one.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// ID of a preview that was answered with 202, whose result is wanted.
	//
	// +optional
	ID string `json:"id,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (BuildOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output":   "How the manifests are written: yaml or json. Defaults to yaml.",
		"revision": "Retained revision of the source to build. Defaults to the current one.",
		"id":       "ID of a preview that was answered with 202, whose result is wanted.",
	}
}

// DiffOptions are the query parameters of the subresource diff. Admission
// policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type DiffOptions struct {
	metav1.TypeMeta `json:",inline"`

	// How the result is written: json or yaml (a DiffResult), text (a unified
	// diff) or markdown. Defaults to json.
	//
	// +optional
	Output string `json:"output,omitempty"`

	// What the old values are of: live, current, or a retained revision. Defaults
	// to live.
	//
	// +optional
	From string `json:"from,omitempty"`

	// What the new values are of: live, current, or a retained revision. Defaults
	// to current.
	//
	// +optional
	To string `json:"to,omitempty"`

	// Whether to show what would be deleted. With a DiffRequest the request says
	// so. Defaults to what the object says.
	//
	// +optional
	Prune *bool `json:"prune,omitempty"`

	// ID of a preview that was answered with 202, whose result is wanted.
	//
	// +optional
	ID string `json:"id,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (DiffOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output": "How the result is written: json or yaml (a DiffResult), text (a unified diff) or markdown. Defaults to json.",
		"from":   "What the old values are of: live, current, or a retained revision. Defaults to live.",
		"to":     "What the new values are of: live, current, or a retained revision. Defaults to current.",
		"prune":  "Whether to show what would be deleted. With a DiffRequest the request says so. Defaults to what the object says.",
		"id":     "ID of a preview that was answered with 202, whose result is wanted.",
	}
}

// LogOptions are the query parameters of the subresource log. Admission
// policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type LogOptions struct {
	metav1.TypeMeta `json:",inline"`

	// Whether to go on with what is logged from now on. Defaults to false.
	//
	// +optional
	Follow bool `json:"follow,omitempty"`

	// How many records from the end of the log to show. Defaults to all that are
	// kept.
	//
	// +optional
	Tail *int64 `json:"tail,omitempty"`

	// How far back to show records, as a Go duration such as 10m. Defaults to all
	// that are kept.
	//
	// +optional
	Since string `json:"since,omitempty"`

	// Request or run whose records are shown. Defaults to all.
	//
	// +optional
	RequestID string `json:"requestID,omitempty"`

	// How the records are written: text or ndjson (a LogRecord a line). Defaults
	// to text.
	//
	// +optional
	Output string `json:"output,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (LogOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"follow":    "Whether to go on with what is logged from now on. Defaults to false.",
		"tail":      "How many records from the end of the log to show. Defaults to all that are kept.",
		"since":     "How far back to show records, as a Go duration such as 10m. Defaults to all that are kept.",
		"requestID": "Request or run whose records are shown. Defaults to all.",
		"output":    "How the records are written: text or ndjson (a LogRecord a line). Defaults to text.",
	}
}

// TreeOptions are the query parameters of the subresource tree. Admission
// policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type TreeOptions struct {
	metav1.TypeMeta `json:",inline"`

	// How the tree is written: json or text. Defaults to json.
	//
	// +optional
	Output string `json:"output,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (TreeOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output": "How the tree is written: json or text. Defaults to json.",
	}
}

// HistoryOptions are the query parameters of the subresource history. Admission
// policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type HistoryOptions struct {
	metav1.TypeMeta `json:",inline"`

	// How the history is written: json or text. Defaults to json.
	//
	// +optional
	Output string `json:"output,omitempty"`

	// How many runs to show, the latest first. Defaults to all that are kept.
	//
	// +optional
	Limit *int64 `json:"limit,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (HistoryOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output": "How the history is written: json or text. Defaults to json.",
		"limit":  "How many runs to show, the latest first. Defaults to all that are kept.",
	}
}
