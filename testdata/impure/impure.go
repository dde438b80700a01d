// Package impure breaks every rule of the deciding packages once; purity_test.go
// must find each line that says so.
package impure

import (
	"math/rand" // want import
	"os"        // want import
	"sync"      // want import
	"time"
	wall "time"
)

var counter int // want variable

var mu sync.Mutex // want variable

var table = map[string]int{"a": 1} // want variable

var _ = time.Second

type named map[string]int

type holder struct{ inner named }

func init() { counter++ } // want init

func decide(h holder) int {
	go decide(h) // want goroutine
	sum := 0
	for _, v := range table { // want map
		sum += v
	}
	for k := range h.inner { // want map
		sum += len(k)
	}
	for range table { //pbt:order does not matter: counted only
		sum++
	}
	for range h.inner { //pbt:order because // want map
		sum++
	}
	start := time.Now()            // want clock
	time.Sleep(time.Millisecond)   // want clock
	<-wall.After(time.Millisecond) // want clock channel
	f := time.Since                // want clock
	sum += int(f(start)) + rand.Int() + len(os.Args)
	c := make(chan int, 1)
	c <- sum // want channel
	select { // want select
	case sum = <-c: // want channel
	default:
	}
	for sum = range c { // want channel
	}
	return sum + generic(table)
}

func generic[M ~map[string]int](m M) (n int) {
	for range m { // want map
		n++
	}
	return n
}
