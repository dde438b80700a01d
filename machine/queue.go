package machine

import (
	"cmp"
	"container/heap"
	"slices"
)

// turn is a member that waits for a slot.
type turn struct {
	member int
	spent  int64
	key    uint64
}

func (t turn) before(o turn) bool {
	if c := cmp.Compare(t.spent, o.spent); c != 0 {
		return c < 0
	}
	if c := cmp.Compare(t.key, o.key); c != 0 {
		return c < 0
	}
	return t.member < o.member
}

// turnQueue orders waiting members as pbt.CompareTurns does. It is a heap that
// knows where each member stands, so that any can leave.
type turnQueue struct {
	turns []turn
	place []int // by member: index in turns plus one, 0 for none
}

func (q *turnQueue) len() int { return len(q.turns) }

// first is the member whose turn it is.
func (q *turnQueue) first() int {
	if !holds(LawFairTurns) {
		return q.turns[len(q.turns)-1].member
	}
	return q.turns[0].member
}

func (q *turnQueue) push(t turn) { heap.Push((*turnHeap)(q), t) }

func (q *turnQueue) remove(member int) { heap.Remove((*turnHeap)(q), q.place[member]-1) }

type turnHeap turnQueue

func (h *turnHeap) Len() int           { return len(h.turns) }
func (h *turnHeap) Less(i, j int) bool { return h.turns[i].before(h.turns[j]) }

func (h *turnHeap) Swap(i, j int) {
	h.turns[i], h.turns[j] = h.turns[j], h.turns[i]
	h.place[h.turns[i].member], h.place[h.turns[j].member] = i+1, j+1
}

func (h *turnHeap) Push(x any) {
	t := x.(turn)
	for len(h.place) <= t.member {
		h.place = append(h.place, 0)
	}
	h.turns = append(h.turns, t)
	h.place[t.member] = len(h.turns)
}

func (h *turnHeap) Pop() any {
	t := h.turns[len(h.turns)-1]
	h.turns = h.turns[:len(h.turns)-1]
	h.place[t.member] = 0
	return t
}

// memberSet is a set of members that any can join and leave at once.
type memberSet struct {
	list  []int
	place []int // by member: index in list plus one, 0 for none
}

func (s *memberSet) len() int { return len(s.list) }

func (s *memberSet) add(member int) {
	for len(s.place) <= member {
		s.place = append(s.place, 0)
	}
	s.list = append(s.list, member)
	s.place[member] = len(s.list)
}

func (s *memberSet) remove(member int) {
	if member >= len(s.place) || s.place[member] == 0 {
		return
	}
	at, last := s.place[member]-1, len(s.list)-1
	moved := s.list[last]
	s.list[at], s.place[moved] = moved, at+1
	s.list, s.place[member] = s.list[:last], 0
}

// sorted copies the set into scratch, by member number.
func (s *memberSet) sorted(scratch *[]int) []int {
	*scratch = append((*scratch)[:0], s.list...)
	slices.Sort(*scratch)
	return *scratch
}
