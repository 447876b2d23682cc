// Loads that wrk has not: requests at a constant rate, and messages over websockets; and a server that echoes these.
//
//	load open HOST:PORT CONNECTIONS SECONDS RATE < a request
//	load echo HOST:PORT CONNECTIONS SECONDS      < a request for an upgrade
//	load serve HOST:PORT
//
// The first two print: answers, errors, p50 and p99 in ms.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

const messageBytes = 64
const accept = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // Source: RFC 6455 §1.3
var mask = [4]byte{1, 2, 3, 4}

func main() {
	if os.Args[1] == "serve" {
		log.Fatal(serve(os.Args[2]))
	}
	request, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	connections, seconds := number(3), number(4)
	var lock sync.Mutex
	var group sync.WaitGroup
	var all []time.Duration
	failed, begin := 0, time.Now().Add(50*time.Millisecond)
	end := begin.Add(time.Duration(seconds) * time.Second)
	for client := range connections {
		group.Go(func() {
			var took []time.Duration
			var err error
			if os.Args[1] == "open" {
				between := time.Duration(float64(time.Second) / float64(number(5)))
				took, err = open(request, begin.Add(between*time.Duration(client)), end, between*time.Duration(connections))
			} else {
				took, err = echo(request, end)
			}
			lock.Lock()
			defer lock.Unlock()
			all = append(all, took...)
			if err != nil {
				failed++
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	group.Wait()
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)))]) / float64(time.Millisecond)
	}
	fmt.Println(len(all), failed, at(0.5), at(0.99))
}

func number(index int) int {
	value, err := strconv.Atoi(os.Args[index])
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// open asks whenever it is time to, by a plan that answers do not change. A request that its connection was not free
// for counts from the planned time (else a proxy that stalls would be asked less); one that we sent late does not.
func open(request []byte, next, end time.Time, between time.Duration) (took []time.Duration, err error) {
	var conn net.Conn
	var reader *bufio.Reader
	for ; next.Before(end); next = next.Add(between) {
		since := next
		if wait := time.Until(next); wait > 0 {
			time.Sleep(wait)
			since = time.Now()
		}
		if conn == nil {
			if conn, err = net.Dial("tcp", os.Args[2]); err != nil {
				return took, err
			}
			defer conn.Close()
			reader = bufio.NewReaderSize(conn, 32768)
		}
		answer, err := ask(conn, reader, request)
		if err != nil {
			return took, err
		}
		if answer.StatusCode != http.StatusOK {
			return took, errors.New(answer.Status)
		}
		took = append(took, time.Since(since))
		if answer.Close {
			conn = nil
		}
	}
	return took, nil
}

func ask(conn net.Conn, reader *bufio.Reader, request []byte) (*http.Response, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(reader, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		_, err = io.Copy(io.Discard, answer.Body)
	}
	return answer, err
}

// echo sends a message, waits until it is back, and so on.
func echo(request []byte, end time.Time) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", os.Args[2])
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	answer, err := ask(conn, reader, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(answer.Status)
	}
	text := bytes.Repeat([]byte("x"), messageBytes)
	message := append([]byte{0x81, 0x80 | messageBytes}, mask[:]...)
	for index, letter := range text {
		message = append(message, letter^mask[index%4])
	}
	want, got := append([]byte{0x81, messageBytes}, text...), make([]byte, messageBytes+2)
	for time.Now().Before(end) {
		since := time.Now()
		if _, err = conn.Write(message); err != nil {
			return took, err
		}
		if _, err = io.ReadFull(reader, got); err != nil {
			return took, err
		}
		if !bytes.Equal(got, want) {
			return took, errors.New("another message came back")
		}
		took = append(took, time.Since(since))
	}
	return took, nil
}

// serve sends back every short text message.
func serve(address string) error {
	return http.ListenAndServe(address, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + accept))
		conn, buffered, err := answer.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		message := make([]byte, 6+messageBytes)
		for {
			if _, err := io.ReadFull(buffered, message); err != nil || message[0] != 0x81 {
				return
			}
			text := message[6:]
			for index := range text {
				text[index] ^= message[2+index%4]
			}
			if _, err := conn.Write(append([]byte{0x81, messageBytes}, text...)); err != nil {
				return
			}
		}
	}))
}
