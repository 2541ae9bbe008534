// Package ignore decides which files of a source are not part of its artifact.
//
// The rules are those of .gitignore, from .sourceignore files anywhere in the
// source and from spec.ignore, which overrides them. Files of version control
// are always left out. As long as nobody gives a rule, so are pictures,
// archives and the configuration of CI systems.
//
// The package knows nothing of where files come from.
package ignore
