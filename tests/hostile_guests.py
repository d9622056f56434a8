#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Guests that mean no good (guest/hostile*.c): each ends within 60 s of processor time, below 1 GiB of memory, with
# the status and the sentence it has earned, few words, and nothing left behind.
# hostile_guests.py SWTDX GUEST MACHINE_GUEST WIDE_GUEST L1_GUEST [NAME]...
import os
import sys

import verdict

LIMIT_LINES = 40
NO_MEMORY = r"access to private memory at GPA 0x[0-9a-f]+: it has no memory there"
VECTORING = r"needs GPA 0xc0000[0-9a-f]{3}, where it has no memory, to take an exception"
TIME = r"its time is over"
NOT_ACCEPTED = r"touched GPA 0x[0-9a-f]+, which it has not accepted"

# name: exit statuses, sentence, options
GUESTS = {
    "timer_1": (0, None),
    "timer_4": (0, None),
    "timer_modes": (0, None),
    "timer_taken": (0, None),
    "deadline_past": (0, None),
    "icr": (0, None),
    "self_ipis": (0, None),
    "msrs": (0, None),
    "no_ram": (1, NO_MEMORY),
    "no_ram_accept": (1, NO_MEMORY),
    "cr3_outside": (1, NO_MEMORY),
    "sweep": (1, NO_MEMORY),
    "run_nothing": (1, NO_MEMORY),
    "idt_in_a_device": (1, VECTORING),
    "stack_in_a_device": (1, VECTORING),
    "ve_in_ve": (1, VECTORING),
    "idt_without_memory": (1, NO_MEMORY),
    "tables_in_a_device": (0, None),
    "devices_everywhere": (0, None),
    "not_accepted": (1, NOT_ACCEPTED),
    "alias": (1, NOT_ACCEPTED),
    "back_and_forth": (0, None),
    "map_anything": (1, NOT_ACCEPTED),
    "run_shared": ((0, 99), None),
    "quotes": (0, r"it is not said again"),
    "calls": (0, None),
    "leaves": (1, NO_MEMORY),
    "registers_exposed": (0, None),
    "ports": (0, None),
    "device_calls": (0, None),
    "extends": (0, None),
    "flood": (0, None),
    "fatal": (1, r"the guest reports a fatal error: "),
    "status_200": (200, None),
    "no_idt": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered \(IDT at 0x0,"),
    "no_idt_page_fault": (1, r"triple fault: #PF \(error 0x0\) on 0x123456789000 at 0x10[0-9a-f]{5} "),
    "handler_nowhere": (1, r"triple fault: #PF \(error 0x[0-9a-f]+\) on 0x7f0[0-9a-f]{9} at 0x7f0"),
    "no_stack": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered .*stack at 0x123456789000"),
    "knows_no_ve": (1, r"triple fault: #VE at 0x10.*it has no #VE handler; .*CONFIG_INTEL_TDX_GUEST"),
    "restarts": (1, r"the guest was restarting: a reset"),
    "restarts_not": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered .*\n(?!.*a reset)"),
    "single_steps": (0, None),
    "changes_itself": (0, None),
    "state_components": (0, None),
    "halts": (0, None),
    "spins": (1, TIME, "--timeout", "2"),
    "pauses": (1, TIME, "--timeout", "2"),
    "traps_for_ever": (1, TIME, "--timeout", "2"),
    "waits_for_nothing": (1, TIME, "--timeout", "2"),
    "all_64": (0, None, "--vcpus", "64"),
    "all_8_at_timers": (0, None, "--vcpus", "8"),
}

GATE = r"cannot go on at 0x10[0-9a-f]{5}: a call gate"
MACHINE = {
    "gdt_in_a_device": (1, VECTORING),
    "gdt_without_memory": (1, NO_MEMORY),
    "tss_in_a_device": (1, VECTORING),
    "tss_without_memory": (1, NO_MEMORY),
    "tss_too_short": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered"),
    "ldt_in_a_device": (0, None),
    "tables_change_themselves": (0, None),
    "flushes": (0, None),
    "call_gate_not_canonical": (1, GATE),
    "call_gate_to_nothing": (1, GATE),
    "call_gate_to_a_gate": (1, GATE),
    "interrupt_gate_is_a_task": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered"),
    "return_not_canonical": (0, None),
    "system_call_to_nowhere": (1, NO_MEMORY),
    "string_over_a_segment": (1, NO_MEMORY),
    "x87_over_a_limit": (0, None),
    "enter_over_a_limit": (1, r"triple fault: #PF \(error 0x2\) on 0xfffffffffffffff8 "),
    "far_base_in_32_bits": (0, None),
    "far_base_unpaged": (0, None),
    "paging_without_memory": (1, NO_MEMORY),
    "leaves_long_mode": (1, r"triple fault: #VE at 0x500000c could not be delivered"),
    "task_switch": (0, None),
    "five_levels": (0, None),
    "debug_registers": (0, None),
    "control_registers": (0, None),
    "msrs_written": (0, None),
    "images": (0, None),
    "identities": (0, None),
    "ipis_taken": (0, None),
    "inits_to_itself": (0, None),
    "lines": (0, None),
    "gives_all_away": (1, NOT_ACCEPTED),
    "accepts_all": (1, NO_MEMORY),
    "all_8_convert": (0, None, "--vcpus", "8"),
    "all_8_interrupt": (0, None, "--vcpus", "8"),
    "wakes_into_nothing": (1, r"vCPU 1: triple fault: #GP", "--vcpus", "2"),
    "never_asks": (1, r"triple fault: #UD .*: it took a #VE and did not ask what for"),
}

# AVX-512 and its state.
WIDE = {
    "wide_images": (0, None),
    "wide_components": (0, None),
    "wide_ends": (0, None),
    "wide_in_a_device": (0, None),
    "wide_without_memory": (1, NO_MEMORY),
    "wide_by_chance": (0, None),
}

# L1 VMMs: what their VMs come to is for them to say, but for memory that the host has not.
L1 = {
    "l1_by_chance": (1, NO_MEMORY, "--l2-vms", "3"),
    "l1_overwritten": (1, r"triple fault: #UD at 0x10[0-9a-f]{5} could not be delivered", "--l2-vms", "3"),
    "l1_state_gone": (0, r"\A(?!.*triple fault)", "--l2-vms", "3"),
    "l1_state_not_accepted": (1, TIME, "--l2-vms", "3", "--timeout", "2"),
    "l1_all_4": (0, None, "--l2-vms", "3", "--vcpus", "4"),
}


# TSan's deadlock detector gives up where a thread holds 64 locks, as one does that ends 64 vCPUs.
ENV = dict(os.environ, TSAN_OPTIONS=os.environ.get("TSAN_OPTIONS", "") + ":detect_deadlocks=0")


def run(swtdx, guest, name, want):
    command = [swtdx, "run", "--quiet", "--memory", "128", *want[2:], "--kernel", guest, "--append", name]
    ended = verdict.run(command, ENV)
    return verdict.told(f"hostile_guests: {name}", ended, *want[:2], lines=LIMIT_LINES, summary=ended.said)


def main():
    swtdx, *rest = sys.argv[1:]
    all_guests = {name: (guest, want) for guest, wants in zip(rest, (GUESTS, MACHINE, WIDE, L1)) for name, want in wants.items()}
    bad = [n for n in rest[4:] or all_guests if not run(swtdx, all_guests[n][0], n, all_guests[n][1])]
    sys.exit(1 if bad else 0)


main()
