module bench/go-load

go 1.25
