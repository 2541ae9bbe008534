module github.com/leat-dev/leat/hack/tools

go 1.26.0
