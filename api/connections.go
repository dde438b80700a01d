package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// Limits of connections. A connection is unused while no request of it is being answered:
// before its first header is complete, and between two requests.
const (
	maxConnections     = 1024
	maxUnusedByAddress = 128 // of one address, IPv6 of one /64 network; the one unused longest is closed for a new one
	networkBits        = 64
)

// limited is a listener with so many connections at most. Unused connections
// give way to new ones: those of an address with too many, and all where every place is
// taken. Only where each place has a request that is being answered does a new one wait.
type limited struct {
	net.Listener
	places chan struct{}
	server *http.Server

	mu     sync.Mutex
	unused map[netip.Addr][]*counted // the one unused longest first
	turn   int64                     // counts the connections that became unused
}

func newLimited(l net.Listener, server *http.Server) *limited {
	limit := &limited{Listener: l, places: make(chan struct{}, maxConnections), server: server, unused: map[netip.Addr][]*counted{}}
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, countedOf(c))
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if own := countedOf(c); own != nil && state == http.StateIdle {
			limit.leave(own)
		}
	}
	return limit
}

type connKey struct{}

// inUse says that a request is being answered on its connection.
func inUse(r *http.Request) {
	if c, _ := r.Context().Value(connKey{}).(*counted); c != nil {
		c.limit.use(c)
	}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	default:
		l.closeOldest()
		l.server.SetKeepAlivesEnabled(false)
		l.places <- struct{}{}
		l.server.SetKeepAlivesEnabled(true)
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	own := &counted{Conn: c, limit: l, from: network(c.RemoteAddr()), free: sync.OnceFunc(func() { <-l.places })}
	l.leave(own)
	return own, nil
}

// network is where a connection comes from, as far as one party has addresses.
func network(addr net.Addr) netip.Addr {
	full, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Addr{}
	}
	ip := full.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if whole, err := ip.Prefix(networkBits); err == nil {
			ip = whole.Addr()
		}
	}
	return ip
}

// leave notes that a connection is unused, and closes the one of its address that has been
// so longest if there are too many.
func (l *limited) leave(c *counted) {
	l.mu.Lock()
	var old *counted
	if !c.closed && !slices.Contains(l.unused[c.from], c) {
		l.turn++
		c.since = l.turn
		l.unused[c.from] = append(l.unused[c.from], c)
		if list := l.unused[c.from]; len(list) > maxUnusedByAddress {
			old = list[0]
		}
	}
	l.mu.Unlock()
	if old != nil {
		_ = old.Close() // whoever has said nothing on it expects nothing
	}
}

func (l *limited) use(c *counted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
}

// forget removes a connection from the list of unused ones.
func (l *limited) forget(c *counted) {
	list := slices.DeleteFunc(l.unused[c.from], func(o *counted) bool { return o == c })
	if len(list) == 0 {
		delete(l.unused, c.from)
		return
	}
	l.unused[c.from] = list
}

// closeOldest closes the connection that has been unused longest, if there is any.
func (l *limited) closeOldest() {
	l.mu.Lock()
	var old *counted
	for _, list := range l.unused {
		if old == nil || list[0].since < old.since {
			old = list[0]
		}
	}
	l.mu.Unlock()
	if old != nil {
		_ = old.Close() // whoever has said nothing on it expects nothing
	}
}

// counted is a connection that has a place.
type counted struct {
	net.Conn
	limit  *limited
	from   netip.Addr
	since  int64
	closed bool
	free   func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.free()
	c.limit.mu.Lock()
	c.closed = true
	c.limit.forget(c)
	c.limit.mu.Unlock()
	return c.Conn.Close()
}

// countedOf is the connection below TLS; nil if the listener is not limited.
func countedOf(c net.Conn) *counted {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	own, _ := c.(*counted)
	return own
}
