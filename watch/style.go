package watch

import "charm.land/lipgloss/v2"

// theme says how things look. The colours are the terminal's own, so that they suit
// its background; whatever a colour says, a word or a sign says too.
type theme struct {
	title, focus, dim, accent, good, warn, bad, selected, link lipgloss.Style
}

func newTheme(colours bool) theme {
	s := lipgloss.NewStyle()
	t := theme{
		title: s.Bold(true), focus: s.Bold(true), dim: s.Faint(true), accent: s.Bold(true), good: s, warn: s, bad: s.Bold(true), selected: s.Reverse(true), link: s.Underline(true),
	}
	if colours {
		t.focus = s.Bold(true).Foreground(lipgloss.Cyan)
		t.accent = s.Foreground(lipgloss.Cyan)
		t.good = s.Foreground(lipgloss.Green)
		t.warn = s.Foreground(lipgloss.Yellow)
		t.bad = s.Bold(true).Foreground(lipgloss.Red)
	}
	return t
}

// paint styles a text, unless it is empty.
func paint(s lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	return s.Render(text)
}
