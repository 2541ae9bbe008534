// Package inventory keeps the inventories of the apply engine as internal
// records: what status.inventory shows is a projection of them, and nobody can
// change them through the API.
package inventory
