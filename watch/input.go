package watch

import tea "charm.land/bubbletea/v2"

// maxInput bounds what can be typed, in characters.
const maxInput = 1000

// input is a line that is typed.
type input struct {
	text []rune
	at   int
}

func newInput(text string) input { return input{[]rune(text), len([]rune(text))} }

// key takes in a key, and tells whether it was one for typing.
func (in *input) key(k tea.Key) bool {
	switch {
	case k.Code == tea.KeyLeft:
		in.at = max(0, in.at-1)
	case k.Code == tea.KeyRight:
		in.at = min(len(in.text), in.at+1)
	case k.Code == tea.KeyHome, k.Mod == tea.ModCtrl && k.Code == 'a':
		in.at = 0
	case k.Code == tea.KeyEnd, k.Mod == tea.ModCtrl && k.Code == 'e':
		in.at = len(in.text)
	case k.Code == tea.KeyBackspace && in.at > 0:
		in.at--
		in.text = append(in.text[:in.at:in.at], in.text[in.at+1:]...)
	case k.Code == tea.KeyDelete && in.at < len(in.text):
		in.text = append(in.text[:in.at:in.at], in.text[in.at+1:]...)
	case k.Mod == tea.ModCtrl && k.Code == 'u':
		in.text, in.at = nil, 0
	case k.Text != "":
		in.insert(k.Text)
	default:
		return false
	}
	return true
}

func (in *input) insert(s string) {
	fresh := []rune(clean(s))
	fresh = fresh[:min(len(fresh), max(0, maxInput-len(in.text)))]
	in.text = append(append(append([]rune{}, in.text[:in.at]...), fresh...), in.text[in.at:]...)
	in.at += len(fresh)
}

func (in *input) String() string { return string(in.text) }

// draw shows the line with its cursor, and the end of what is too long for it.
func (in *input) draw(t *theme, w int) string {
	under := " "
	rest := ""
	if in.at < len(in.text) {
		under, rest = string(in.text[in.at]), string(in.text[in.at+1:])
	}
	before := in.text[:in.at]
	for len(before) > 0 && width(string(before))+2 > w {
		before = before[1:]
	}
	return cut(string(before)+paint(t.selected, under)+rest, w)
}
