module bench/go-client

go 1.25
