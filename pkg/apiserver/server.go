package apiserver

import (
	"context"
	"fmt"

	genericapiserver "k8s.io/apiserver/pkg/server"
)

// Server is a server that is ready to run.
type Server struct {
	GenericAPIServer *genericapiserver.GenericAPIServer
}

// Run serves until ctx ends, and returns when all requests but the long-running
// ones have been answered.
func (s *Server) Run(ctx context.Context) error {
	if err := s.GenericAPIServer.PrepareRun().RunWithContext(ctx); err != nil {
		return fmt.Errorf("running the API server: %w", err)
	}
	return nil
}
