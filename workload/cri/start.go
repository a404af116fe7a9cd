package cri

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTolerance is how far two readings of one process's start may lie apart:
// the kernel shows it in hundredths of a second since boot, and the wall clock
// may have been set since the sensor translated its own reading.
const startTolerance = 2 * time.Second

// ticksPerSecond is the unit of times in /proc/PID/stat: USER_HZ, which is 100
// on every architecture Go runs on under Linux.
const ticksPerSecond = 100

// startOf returns when a process was started, by the proc file system at proc.
func startOf(proc string, pid int, now time.Time) (time.Time, error) {
	stat, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return time.Time{}, err
	}
	// The second field, the process's name, is in parentheses and may contain
	// anything; the start is the 22nd (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return time.Time{}, errors.New("unreadable stat file")
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, errors.New("unreadable stat file")
	}
	uptime, err := os.ReadFile(filepath.Join(proc, "uptime"))
	if err != nil {
		return time.Time{}, err
	}
	first, _, _ := strings.Cut(string(uptime), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return time.Time{}, errors.New("unreadable uptime file")
	}
	age := seconds - float64(ticks)/ticksPerSecond
	return now.Add(-time.Duration(age * float64(time.Second))), nil
}
