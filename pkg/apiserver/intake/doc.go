// Package intake looks at requests before the generic server does, and at
// refusals after it.
//
// The generic server bounds the size of a body and trusts the rest. Some of the
// work that it does for a malformed request grows with the square of what is
// wrong with it; some of its refusals do not say what was refused; and some are
// text and no Status. Intake closes these gaps in front of it:
//
//	request ─► URL and selectors ─► generic filters ─► body ─► handler
//	answer  ◄─ refusal as a Status ◄──────────────────────────────┘
//
// It knows HTTP and Kubernetes' Status, and nothing of the kinds that are served.
package intake
