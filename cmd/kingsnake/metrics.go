package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"kingsnake/finding"
	"kingsnake/finding/metrics"
	"kingsnake/store"
)

// metricsAddress is where the documentation has metrics served, and where
// doctor asks.
const metricsAddress = "127.0.0.1:8419"

func metricsFlag(fs *flag.FlagSet, address *string) {
	fs.StringVar(address, "metrics", "", "`address` to serve metrics for Prometheus at, without a password, for example "+metricsAddress+" (default: they are not served)")
}

// metricsServer serves /metrics, in the text format of Prometheus, and /status,
// the sensors' heartbeats in JSON. There is no password: what it tells is how
// many scripts ran, and nothing of them.
type metricsServer struct {
	listen net.Listener
	http   *http.Server
}

// openMetrics listens at address; "" gives nil, on which every method works.
// sensors returns what is to be told of sensors, more writes further metrics
// and may be nil.
func openMetrics(address string, log *slog.Logger, now func() time.Time, sensors func(context.Context) ([]finding.Sensor, error),
	more func(context.Context, *metrics.Writer) error) (*metricsServer, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %v; choose another address with --metrics", err)
	}
	answer := func(kind string, write func(context.Context, *bytes.Buffer) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			if err := write(r.Context(), &b); err != nil {
				log.Error("tell metrics", "error", err)
				http.Error(w, "the numbers could not be read; the log says why", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(b.Bytes()) // the client may have gone
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", answer(metrics.ContentType, func(ctx context.Context, b *bytes.Buffer) error {
		all, err := sensors(ctx)
		if err != nil {
			return err
		}
		w := metrics.NewWriter(b)
		metrics.Sensors(w, all, now())
		if more != nil {
			err = more(ctx, w)
		}
		return errors.Join(err, w.Err())
	}))
	mux.HandleFunc("GET /status", answer("application/json", func(ctx context.Context, b *bytes.Buffer) error {
		all, err := sensors(ctx)
		if err != nil {
			return err
		}
		list := make([]json.RawMessage, len(all))
		for i, s := range all {
			if list[i], err = finding.Marshal(s); err != nil {
				return err
			}
		}
		return json.NewEncoder(b).Encode(map[string]any{"sensors": list})
	}))
	return &metricsServer{l, &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Run answers until Close.
func (m *metricsServer) Run() error {
	if m == nil {
		return nil
	}
	if err := m.http.Serve(m.listen); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// Close stops answering.
func (m *metricsServer) Close() {
	if m != nil {
		m.http.Close()
		m.listen.Close() // in case Run never ran
	}
}

// storeMetrics writes what a store holds.
func storeMetrics(st store.Store) func(context.Context, *metrics.Writer) error {
	return func(ctx context.Context, w *metrics.Writer) error {
		stats, err := st.Stats(ctx)
		if err != nil {
			return err
		}
		w.Family("findings", "Findings stored, by severity and state.", metrics.Gauge)
		for _, state := range []finding.State{finding.Active, finding.Inactive} {
			counts, err := st.Count(ctx, store.Query{State: state})
			if err != nil {
				return err
			}
			for _, severity := range []finding.Severity{finding.Low, finding.Medium, finding.High, finding.Critical} {
				w.Sample(float64(counts[severity]), "severity", string(severity), "state", string(state))
			}
		}
		w.Family("stored_script_bytes", "Bytes of script texts stored, each text once.", metrics.Gauge)
		w.Sample(float64(stats.Bytes))
		w.Family("notifications_waiting", "Notifications not delivered yet.", metrics.Gauge)
		w.Sample(float64(stats.Undelivered))
		w.Family("evicted_total", "What was removed to stay within the limits, by reason.", metrics.Counter)
		for _, why := range slices.Sorted(maps.Keys(stats.Evicted)) {
			w.Sample(float64(stats.Evicted[why]), "reason", why)
		}
		return nil
	}
}
