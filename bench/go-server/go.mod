module bench/go-server

go 1.25
