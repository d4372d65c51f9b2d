package localtest

import "sync"

// Parallel does n things truly at once and waits for all of them.
func Parallel(n int, do func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			do(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// Together sends n requests truly at once and counts the answers by status.
func (w *World) Together(n int, request func(i int) Request) map[int]int {
	w.T.Helper()
	statuses := make([]int, n)
	Parallel(n, func(i int) { statuses[i] = w.Send(request(i)).Status })
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	return counts
}
