package target

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// decodeStatus reads a metav1.Status and says whether body was one.
func decodeStatus(body []byte, st *metav1.Status) bool {
	return json.Unmarshal(body, st) == nil && st.Kind == "Status" && st.Status == metav1.StatusFailure
}
