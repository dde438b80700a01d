package watch

import "strings"

const help = `Panes
  tab, shift+tab, 1 to 5   another pane              z  one pane, or all that fit
  ↑ ↓ j k                  choose a member, scroll   pgup pgdn home end g G
  s  sort by the next      o  the other way round    a  all events, or notable ones
  /  filter members or events by words; esc forgets the filter

Steering: asks first; the process that trains the run does it, or says why not
  p  pause: hand out no more segments; resume        S  stop the run
  x  give up the member's segment: trained again     r  restart, fresh weights
  e  set its hyperparameters from the next segment   c  copy a segment into it
  t  retire it: it trains no more                    +  inject a new member
  .  pin a segment's checkpoint                      ,  unpin it

Signs
  ▶ training  ‖ paused  □ stopped  ■ finished     !2 two failed attempts
  events: ⇄ a copy or repair  + a new best  ! tried again  ✗ look at this
  slots:  ▁ to █ how busy, the last ten minutes  · idle  × an attempt failed
  trend:  scores along the ancestry of the weights, one scale for all

`

// How the view is left, where another process trains the run, and where this one does.
const (
	leave    = "?, or any other key, goes back; q quits. The run goes on without this view."
	leaveOwn = "?, or any other key, goes back; q closes this view, Ctrl-C stops the run."
)

func (m *model) helpLines(h int) []string {
	text := help + leave
	if m.own() {
		text = help + leaveOwn
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" && !strings.HasPrefix(line, " ") {
			lines[i] = paint(m.look.title, line)
		}
	}
	return m.fill(lines, h)
}
