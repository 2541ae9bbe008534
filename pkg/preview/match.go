package preview

import (
	"fmt"
	"strings"
)

// pair is an element of an old list and the one of a new list in its place. -1
// says that there is none.
type pair struct{ old, new int }

// mergeKeys tell the elements of a list apart, as they do when objects are
// applied: the first of them that every element has, and no two alike, is the
// one of a list. Which one a list has is written in its schema, but also lists
// of kinds without one are mostly made this way.
func mergeKeys() [][]string {
	return [][]string{
		{"name"}, {"containerPort", "protocol"}, {"port", "protocol"}, {"containerPort"}, {"port"},
		{"mountPath"}, {"devicePath"}, {"ip"}, {"uid"}, {"id"}, {"type"}, {"key"},
	}
}

// match finds out which elements of two lists belong together. ordered says that
// those that do are in the same order in both.
//
// Elements with names belong together by name. Of other lists the equal
// beginning and the equal end belong together, and of what is between each
// element to the one at its place: so what is inserted or removed in front does
// not make all that follows it different.
func match(before, after []any) (pairs []pair, ordered bool) {
	if oldNames, newNames, ok := bothNames(before, after); ok {
		return byName(len(before), oldNames, len(after), newNames)
	}
	start := 0
	for start < min(len(before), len(after)) && equal(before[start], after[start]) {
		pairs = append(pairs, pair{start, start})
		start++
	}
	end := 0
	for end < min(len(before), len(after))-start && equal(before[len(before)-1-end], after[len(after)-1-end]) {
		end++
	}
	oldEnd, newEnd := len(before)-end, len(after)-end
	for i, j := start, start; i < oldEnd || j < newEnd; i, j = i+1, j+1 {
		p := pair{-1, -1}
		if i < oldEnd {
			p.old = i
		}
		if j < newEnd {
			p.new = j
		}
		pairs = append(pairs, p)
	}
	for i := range end {
		pairs = append(pairs, pair{oldEnd + i, newEnd + i})
	}
	return pairs, true
}

// bothNames returns the places of the elements of two lists by name, if they have
// names.
func bothNames(before, after []any) (oldNames, newNames map[string]int, ok bool) {
	for _, key := range mergeKeys() {
		oldNames, ok := names(before, key)
		newNames, both := names(after, key)
		if ok && both {
			return oldNames, newNames, true
		}
	}
	return nil, nil, false
}

// named reports whether the elements of two lists can be told apart by name.
func named(before, after []any) bool {
	_, _, ok := bothNames(before, after)
	return ok && len(before) > 0 && len(after) > 0
}

// names returns the places of elements by the values of a key. It is not ok if
// some element has no such value, or two have the same.
func names(list []any, key []string) (map[string]int, bool) {
	out := make(map[string]int, len(list))
	for i, e := range list {
		m, ok := bare(e).(map[string]any)
		if !ok {
			return nil, false
		}
		var name strings.Builder
		for _, k := range key {
			value := bare(m[k])
			if value == nil || !isScalar(value) {
				return nil, false
			}
			fmt.Fprintf(&name, "%v\x00", value)
		}
		if _, twice := out[name.String()]; twice {
			return nil, false
		}
		out[name.String()] = i
	}
	return out, true
}

func byName(oldLen int, oldNames map[string]int, newLen int, newNames map[string]int) ([]pair, bool) {
	oldOf := make([]int, newLen)
	kept := make([]bool, oldLen)
	for name, j := range newNames {
		if i, ok := oldNames[name]; ok {
			oldOf[j], kept[i] = i, true
		} else {
			oldOf[j] = -1
		}
	}
	var pairs []pair
	for i := range kept {
		if !kept[i] {
			pairs = append(pairs, pair{i, -1})
		}
	}
	ordered, last := true, -1
	for j, i := range oldOf {
		pairs = append(pairs, pair{i, j})
		if i >= 0 {
			ordered, last = ordered && i > last, i
		}
	}
	return pairs, ordered
}
