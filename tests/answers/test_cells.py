"""A notebook's cell that is run again leaves what it says now, in a kernel as notebooks have."""

import json
import sys
from collections.abc import Iterator

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from helpers.base.files import ROOT

BEGIN = """
from pathlib import Path
from helpers.answers import Answer
answer = Answer(Path("unsaved"), "03_confusion_matrix", "Confusion", "Which classes are taken for which?")
"""
BLOCKS = "import json; print(json.dumps([block['key'] + str(block['values']) for block, _ in answer._blocks]))"


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    manager = KernelManager()
    manager.kernel_spec.argv[:] = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(cwd=str(ROOT))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(kernel: BlockingKernelClient, code: str, cell: str = "") -> str:
    """Run a cell's text as JupyterLab does, with the cell's identity, or without one; return what it prints."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = kernel.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
    kernel.shell_channel.send(message)
    printed = ""
    while True:
        output = kernel.get_iopub_msg(timeout=120)
        if output["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if output["msg_type"] == "stream":
            printed += output["content"]["text"]
        assert output["msg_type"] != "error", output["content"]["evalue"]
        if output["msg_type"] == "status" and output["content"]["execution_state"] == "idle":
            return printed


def said(kernel: BlockingKernelClient) -> list[str]:
    return json.loads(run(kernel, BLOCKS))


def test_a_cell_run_again_with_another_value_leaves_one_sentence_in_the_first_ones_place(
    kernel: BlockingKernelClient,
) -> None:
    run(kernel, BEGIN)
    run(kernel, "answer.say('{share}', share=1)", "a")
    run(kernel, "answer.say('After.')", "b")
    run(kernel, "answer.heading('New'); answer.say('{share} now', share=2)", "a")
    assert said(kernel) == ["New{}", "{share} now{'share': 2}", "After.{}"]


def test_a_loop_leaves_all_its_sentences_and_run_again_those_of_the_last_time(kernel: BlockingKernelClient) -> None:
    run(kernel, BEGIN)
    run(kernel, "for i in range(3): answer.say('{i}', i=i)", "a")
    assert said(kernel) == [f"{{i}}{{'i': {i}}}" for i in (0, 1, 2)]
    run(kernel, "for i in (5, 1): answer.say('{i}', i=i)", "a")
    assert said(kernel) == [f"{{i}}{{'i': {i}}}" for i in (5, 1)]


def test_without_an_identity_a_cell_is_known_by_its_text(kernel: BlockingKernelClient) -> None:
    run(kernel, BEGIN)
    for share in (1, 2):
        run(kernel, f"share = {share}")
        run(kernel, "answer.say('{share}', share=share)")
    assert said(kernel) == ["{share}{'share': 2}"]


def test_cells_with_the_same_template_keep_a_sentence_each(kernel: BlockingKernelClient) -> None:
    run(kernel, BEGIN)
    for cell, share in [("a", 1), ("b", 2)]:
        run(kernel, f"answer.say('{{share}}', share={share})", cell)
    assert said(kernel) == ["{share}{'share': 1}", "{share}{'share': 2}"]
