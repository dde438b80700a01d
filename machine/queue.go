package machine

import "slices"

// turn is a member that waits for a slot.
type turn struct {
	member int
	spent  int64
	key    uint64
}

func (t turn) before(o turn) bool {
	switch {
	case t.spent != o.spent:
		return t.spent < o.spent
	case t.key != o.key:
		return t.key < o.key
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

// has tells whether a member waits.
func (q *turnQueue) has(member int) bool { return member < len(q.place) && q.place[member] > 0 }

// first is the member whose turn it is.
func (q *turnQueue) first() int {
	if !holds(LawFairTurns) {
		return q.turns[len(q.turns)-1].member
	}
	return q.turns[0].member
}

func (q *turnQueue) push(t turn) {
	for len(q.place) <= t.member {
		q.place = append(q.place, 0)
	}
	q.turns = append(q.turns, t)
	q.rise(len(q.turns)-1, t)
}

func (q *turnQueue) remove(member int) {
	at, last := q.place[member]-1, len(q.turns)-1
	moved := q.turns[last]
	q.turns, q.place[member] = q.turns[:last], 0
	switch {
	case at == last:
	case at > 0 && moved.before(q.turns[(at-1)/2]):
		q.rise(at, moved)
	default:
		q.sink(at, moved)
	}
}

// rise puts a turn at an index, or as far above it as it belongs.
func (q *turnQueue) rise(at int, t turn) {
	for at > 0 && t.before(q.turns[(at-1)/2]) {
		q.put(at, q.turns[(at-1)/2])
		at = (at - 1) / 2
	}
	q.put(at, t)
}

// sink puts a turn at an index, or as far below it as it belongs.
func (q *turnQueue) sink(at int, t turn) {
	for {
		child := 2*at + 1
		if child+1 < len(q.turns) && q.turns[child+1].before(q.turns[child]) {
			child++
		}
		if child >= len(q.turns) || !q.turns[child].before(t) {
			break
		}
		q.put(at, q.turns[child])
		at = child
	}
	q.put(at, t)
}

func (q *turnQueue) put(at int, t turn) { q.turns[at], q.place[t.member] = t, at+1 }

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
