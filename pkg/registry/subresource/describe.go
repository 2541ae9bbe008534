package subresource

// BodyDescriber is a Connecter that reads a body. What is published of the API
// does not tell of it otherwise.
type BodyDescriber interface {
	// DescribeBody returns a value of the type that requests with this method
	// carry, and what it is for; nil if they carry none.
	DescribeBody(method string) (sample any, description string)
}
