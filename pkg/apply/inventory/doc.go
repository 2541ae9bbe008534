// Package inventory keeps the inventories of the apply engine as internal records
// in Leat's own etcd, where no API reaches them: what decides about deletions
// cannot be edited.
package inventory
