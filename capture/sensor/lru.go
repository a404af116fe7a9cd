package sensor

import "container/list"

// lru is a bounded map that drops the entry used least recently. It is not safe
// for concurrent use.
type lru[K comparable, V any] struct {
	limit   int
	dropped func(K, V) // called for each entry that is dropped for room; may be nil
	entries map[K]*list.Element
	order   list.List // front is the newest
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int, dropped func(K, V)) *lru[K, V] {
	return &lru[K, V]{limit: limit, dropped: dropped, entries: make(map[K]*list.Element)}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	e, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// peek is get for one who only looks: the entry is not used by that.
func (c *lru[K, V]) peek(key K) (value V, ok bool) {
	e, ok := c.entries[key]
	if !ok {
		return value, false
	}
	return e.Value.(*lruEntry[K, V]).value, true
}

func (c *lru[K, V]) put(key K, value V) {
	if e, ok := c.entries[key]; ok {
		e.Value.(*lruEntry[K, V]).value = value
		c.order.MoveToFront(e)
		return
	}
	c.entries[key] = c.order.PushFront(&lruEntry[K, V]{key, value})
	if c.order.Len() > c.limit {
		c.dropOldest()
	}
}

// dropOldest drops the entry used least recently, if there is one.
func (c *lru[K, V]) dropOldest() bool {
	e := c.order.Back()
	if e == nil {
		return false
	}
	old := e.Value.(*lruEntry[K, V])
	c.remove(old.key)
	if c.dropped != nil {
		c.dropped(old.key, old.value)
	}
	return true
}

func (c *lru[K, V]) remove(key K) {
	if e, ok := c.entries[key]; ok {
		c.order.Remove(e)
		delete(c.entries, key)
	}
}

// each calls f for every entry, the newest first, until f returns false. f may
// remove the entry it is called with.
func (c *lru[K, V]) each(f func(K, V) bool) {
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		entry := e.Value.(*lruEntry[K, V])
		if !f(entry.key, entry.value) {
			return
		}
		e = next
	}
}
