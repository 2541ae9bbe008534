package apply

import (
	"context"
	"errors"
)

var errPending = errors.New("not built yet")

func (e *Engine) Plan(ctx context.Context, r Request) (*Plan, error)  { return nil, errPending }
func (e *Engine) Apply(ctx context.Context, p *Plan) (*Result, error) { return nil, errPending }
func (e *Engine) Wait(ctx context.Context, r HealthRequest) error     { return errPending }
func (e *Engine) Delete(ctx context.Context, r DeleteRequest) (*Result, error) {
	return nil, errPending
}
