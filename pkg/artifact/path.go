package artifact

import "strings"

// rootPath is the path of a tree's root.
const rootPath = "."

// maxNameLength is what the file systems that an archive is unpacked to allow
// for one path element.
const maxNameLength = 255

// checkPath checks that path names a file or directory below the root of a
// tree, and cannot mean anything else to whoever unpacks an archive.
func checkPath(path string, l Limits) error {
	switch {
	case path == "":
		return &PathError{path, "is empty"}
	case len(path) > l.PathLength:
		return &LimitError{Limit: "path length", Max: int64(l.PathLength), Path: path}
	case strings.IndexByte(path, 0) >= 0:
		return &PathError{path, "holds a NUL byte"}
	case path[0] == '/':
		return &PathError{path, "is absolute"}
	case strings.Count(path, "/") >= l.Depth:
		return &LimitError{Limit: "path depth", Max: int64(l.Depth), Path: path}
	}
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if reason := checkName(name); reason != "" {
			return &PathError{path, reason}
		}
	}
	return nil
}

// checkName returns why name cannot be an element of a path, or "".
//
// A backslash is an ordinary character (systemd escapes unit names with it),
// but a reader that takes it for a separator must not be led out of the tree.
func checkName(name string) string {
	switch {
	case name == "":
		return "has an empty element"
	case name == "." || name == "..":
		return "has an element " + name
	case len(name) > maxNameLength:
		return "has an element longer than 255 bytes"
	case strings.ContainsAny(name, "/\x00"):
		return "has an element with a slash or a NUL byte"
	}
	if strings.IndexByte(name, '\\') < 0 {
		return ""
	}
	if name[0] == '\\' || len(name) > 2 && name[1] == ':' && name[2] == '\\' {
		return "is absolute if backslashes are separators"
	}
	for part := range strings.SplitSeq(name, `\`) {
		if part == ".." {
			return "leaves the tree if backslashes are separators"
		}
	}
	return ""
}

func join(dir, name string) string {
	if dir == rootPath {
		return name
	}
	return dir + "/" + name
}
