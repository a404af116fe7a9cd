package sensor

//go:generate go tool bpf2go -go-package sensor -output-suffix _linux -target amd64,arm64 -type record -type exec_record -type open_file -type parent -type loss -type record_flag -type record_kind -type reader -type reader_state -type binary_class -type program_mode -type file_state -type sign -type ends -type follow -type task -type hold_policy -type hold_switch -type hold_key -type hold -type hold_name -type hold_target -type hold_parent -type compiled -type compiled_flag -type code_key probe bpf/sensor.c -- -O2 -g -Wall -Werror
