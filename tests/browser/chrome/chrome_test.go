package chrome

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestStart(t *testing.T) {
	ctx := Start(t)
	got, err := chromedp.Run(ctx, chromedp.Evaluate[int](`6 * 7`))
	if err != nil || got != 42 {
		t.Errorf("6 * 7 = %d, %v", got, err)
	}
}
