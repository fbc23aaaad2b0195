"""Plans: shape by path, description, fingerprint."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan, first_difference, tree_paths


def work(res: Any) -> Any:
    return res


def plan(*tasks: Task) -> Plan:
    return Plan.of(Workflow("w", tasks))


NESTED = plan(
    Task("first", work),
    Task("block", work, subtasks=[Task("a", work), Task("b", work, subtasks=[Task("x", work), Task("y", work)])]),
    Task("last", work),
)

trees: st.SearchStrategy[tuple[Task, ...]] = st.recursive(
    st.just(()),
    lambda children: st.lists(children, max_size=4).map(
        lambda blocks: tuple(Task(f"t{i}", work, subtasks=block) for i, block in enumerate(blocks))
    ),
    max_leaves=30,
)


class TestFlow:
    def test_a_root_task_leads_to_the_next(self) -> None:
        flow = NESTED.flow("#.first")
        assert (flow.children, flow.joins, flow.following) == ((), (), "#.block")

    def test_a_block_leads_to_its_children_then_on(self) -> None:
        flow = NESTED.flow("#.block")
        assert flow.children == ("#.block.a", "#.block.b")
        assert flow.subtree == ("#.block.a", "#.block.b", "#.block.b.x", "#.block.b.y")
        assert flow.following == "#.last"

    def test_a_nested_task_counts_down_from_the_inside_out(self) -> None:
        flow = NESTED.flow("#.block.b.x")
        assert flow.joins == (("#.block.b", False), ("#.block", False))
        assert flow.following == "#.last"

    def test_what_comes_before_a_task_leaves_out_its_parallel_siblings(self) -> None:
        assert list(NESTED.earlier("#.block.b.x")) == ["#.first", "#.block", "#.block.b"]
        assert list(NESTED.earlier("#.last")) == [p for p in NESTED.nodes if p != "#.last"]
        assert list(NESTED.earlier("#.first")) == []

    @given(trees)
    def test_every_tree_is_walked_once(self, tasks: tuple[Task, ...]) -> None:
        made = plan(*tasks)
        paths = list(made.nodes)
        assert len(paths) == len(set(paths))
        assert [p for root in made.roots for p in (root, *made.descendants(root))] == paths
        for path, node in made.nodes.items():
            assert list(made.ancestors(path)) == [p for p in reversed(paths) if path.startswith(p + ".")]
            assert all(made.nodes[child].parent == path for child in node.children)
            flow = made.flow(path)
            assert set(flow.children) <= set(flow.subtree)


class TestDescription:
    def test_it_is_nested_and_in_order(self) -> None:
        described = plan(Task("a", work, description="loads", subtasks=[Task("b", work)])).describe()
        child = {"name": "b", "description": "", "path": "#.a.b", "children": []}
        assert described == [{"name": "a", "description": "loads", "path": "#.a", "children": [child]}]

    @given(trees)
    def test_it_gives_the_paths_back(self, tasks: tuple[Task, ...]) -> None:
        made = plan(*tasks)
        assert list(tree_paths(made.describe())) == list(made.nodes)


class TestFingerprint:
    def test_functions_and_descriptions_do_not_matter(self) -> None:
        assert plan(Task("a", work)).fingerprint == plan(Task("a", print, description="other")).fingerprint

    @given(trees, trees)
    def test_it_changes_with_the_paths_and_the_difference_is_named(
        self, before: tuple[Task, ...], after: tuple[Task, ...]
    ) -> None:
        old, new = plan(*before), plan(*after)
        assert (old.fingerprint == new.fingerprint) == (list(old.nodes) == list(new.nodes))
        path = first_difference(new, old.describe())
        if old.fingerprint == new.fingerprint:
            assert path == "#"
        else:
            assert (path in old.nodes) != (path in new.nodes) or list(old.nodes).index(path) != list(new.nodes).index(
                path
            )

    def test_a_renamed_task_is_named(self) -> None:
        old = plan(Task("a", work), Task("b", work))
        assert first_difference(plan(Task("a", work), Task("c", work)), old.describe()) == "#.c"
        assert first_difference(plan(Task("a", work)), old.describe()) == "#.b"

    def test_code_that_would_break_an_instance_says_where(self) -> None:
        old = plan(Task("a", work), Task("b", work)).describe()
        assert plan(Task("a", print), Task("b", work, description="new")).breaks(old) is None
        assert plan(Task("a", work)).breaks(old) == "#.b"
        assert plan().breaks(old) == "#.a"
        assert plan(Task("b", work), Task("a", work)).breaks(old) is not None
        assert plan().breaks([]) is None


class TestUndo:
    def test_undoable_paths_are_in_plan_order(self) -> None:
        inner = Task("x", work, undo=work)
        made = plan(Task("a", work, undo=work, subtasks=[Task("b", work), inner]), Task("c", work, undo=work))
        assert made.undoable() == ("#.a", "#.a.x", "#.c")
