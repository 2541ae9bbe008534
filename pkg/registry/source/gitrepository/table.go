package gitrepository

import (
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

func columns() []generic.Column {
	return []generic.Column{
		{
			Name:        "URL",
			Description: "Address of the repository.",
			Cell:        generic.Cell(func(o *sourcev1.GitRepository) any { return o.Spec.URL }),
		},
		generic.AgeColumn(),
		generic.ReadyColumn(),
		generic.StatusColumn(),
		generic.RevisionColumn(),
		generic.SuspendedColumn(),
	}
}
