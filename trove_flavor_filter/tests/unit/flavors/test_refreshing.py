#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""When a cached list serves, and what one request does to another.

The test's own clock runs the threads. What gets a newer list is a function
of the test.
"""

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import refreshing
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter.tests.unit.flavors import clocks

Kept = refreshing.StaleWhileRevalidate[snapshot.PrivateFlavors]


class RefreshingTestCase(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.clock = clocks.ManualClock()
        self.times = refreshing.Times(cache=60, stale=3600, clock=self.clock)
        self.asked = 0

    def fetch(self, _waited_for: bool) -> snapshot.PrivateFlavors:
        self.asked += 1
        return snapshot.PrivateFlavors(self.clock.now, ())

    def unavailable(self, _waited_for: bool) -> snapshot.PrivateFlavors:
        self.asked += 1
        raise exception.NovaUnavailable('of this test')

    def refused(self, _waited_for: bool) -> snapshot.PrivateFlavors:
        raise exception.CallerRefused('of this test')

    def kept(self, age: float | None) -> Kept:
        return refreshing.StaleWhileRevalidate(
            self.times, None if age is None
            else snapshot.PrivateFlavors(self.clock.now - age, ()))


class AgeTest(RefreshingTestCase):

    def test_within_the_cache_time_it_serves(self):
        kept = self.kept(59)
        self.assertIs(kept.last, kept.get(self.fetch))
        self.clock.run()
        self.assertEqual(0, self.asked)

    def test_within_the_second_one_it_serves_and_is_renewed_behind(self):
        kept = self.kept(61)
        last = kept.last
        self.assertIs(last, kept.get(self.fetch))
        self.assertEqual(0, self.asked)
        self.clock.run()
        self.assertEqual(1, self.asked)
        self.assertIsNot(last, kept.get(self.fetch))

    def test_after_it_the_request_waits_for_the_newer_one(self):
        kept = self.kept(180)
        last = kept.last
        self.assertIsNot(last, kept.get(self.fetch))

    def test_a_list_from_the_future_is_renewed(self):
        kept = self.kept(-1000)
        last = kept.last
        self.assertIsNot(last, kept.get(self.fetch))

    def test_it_waits_for_so_long_and_no_longer(self):
        kept = self.kept(180)
        self.clock.hanging = True
        self.assertIs(kept.last, kept.get(self.fetch))
        # Whoever comes later does not wait for the same try again.
        self.assertIs(kept.last, kept.get(self.fetch))
        self.assertEqual([refreshing.PATIENCE, 0], self.clock.waited)
        self.clock.run()
        self.assertEqual(1, self.asked)

    def test_while_nova_is_away_nobody_waits(self):
        kept = self.kept(180)
        last = kept.last
        self.assertIs(last, kept.get(self.unavailable))
        self.clock.now += refreshing.RETRY
        self.clock.hanging = True
        for _turn in range(10):
            self.assertIs(last, kept.get(self.fetch))
        self.assertEqual([], self.clock.waited)
        self.clock.run()
        self.assertEqual(2, self.asked)
        self.assertIsNot(last, kept.get(self.fetch))

    def test_nova_is_not_asked_again_at_once(self):
        kept = self.kept(180)
        kept.get(self.unavailable)
        self.clock.now += refreshing.RETRY - 0.1
        self.assertIs(kept.last, kept.get(self.fetch))
        self.clock.run()
        self.assertEqual(1, self.asked)

    def test_a_try_that_left_the_work_to_others_is_made_again(self):
        kept = self.kept(119)
        last = kept.last

        def fetch(waited_for):
            return self.fetch(waited_for) if waited_for else last
        self.assertIs(last, kept.get(fetch))
        self.clock.now += 2
        self.assertIsNot(last, kept.get(fetch))

    def test_a_failure_of_long_ago_is_no_reason_not_to_wait(self):
        kept = self.kept(180)
        last = kept.last
        kept.get(self.unavailable)
        self.clock.now += 61
        self.assertIsNot(last, kept.get(self.fetch))

    def test_a_list_that_is_too_old_is_not_used(self):
        self.assertRaises(exception.NovaUnavailable, self.kept(3601).get,
                          self.unavailable)

    def test_without_a_list_a_failure_is_told(self):
        error = self.assertRaises(exception.NovaUnavailable,
                                  self.kept(None).get, self.unavailable)
        self.assertEqual('of this test', error.reason)

    def test_without_a_list_that_must_be_nobody_waits_for_ever(self):
        self.clock.hanging = True
        self.assertRaises(exception.NovaUnavailable,
                          self.kept(None).get, self.fetch, 0.25)
        self.assertEqual([0.25], self.clock.waited)

    def test_a_refused_token_makes_no_list_last_longer(self):
        self.assertRaises(exception.CallerRefused, self.kept(180).get,
                          self.refused)

    def test_a_refused_token_is_no_failure_of_nova(self):
        kept = self.kept(None)
        self.assertRaises(exception.CallerRefused, kept.get, self.refused)
        self.assertIsNotNone(kept.get(self.fetch))

    def test_an_older_list_that_a_failed_refresh_has_found_serves(self):
        kept = self.kept(None)

        def fetch(_waited_for):
            kept.last = snapshot.PrivateFlavors(self.clock.now - 600, ())
            raise exception.NovaUnavailable('of this test')
        self.assertIs(kept.get(fetch), kept.last)
        self.assertIsNotNone(kept.last)

    def test_an_error_that_nobody_expects_leaves_nobody_waiting(self):
        kept = self.kept(None)

        def exits(_waited_for):
            raise SystemExit('of this test')
        self.assertRaises(SystemExit, kept.get, exits)
        self.clock.now += refreshing.RETRY
        self.assertIsNotNone(kept.get(self.fetch))

    def test_where_no_thread_starts_the_request_asks_itself(self):
        def start(_function, _name):
            raise RuntimeError("can't start new thread")
        self.clock.start = start
        self.assertIsNotNone(self.kept(None).get(self.fetch))


class InterleavingTest(RefreshingTestCase):
    """Two at once: the second between any two steps of the first."""

    def test_a_first_refresh_may_end_at_any_moment(self):
        for meet in clocks.interleavings(refreshing):
            kept = self.begun()
            self.asked = 0
            found = meet(lambda: kept.get(self.fetch), self.clock.run)
            self.assertIs(kept.last, found)
            self.assertEqual(1, self.asked)

    def test_a_first_refresh_may_fail_at_any_moment(self):
        for meet in clocks.interleavings(refreshing):
            kept = self.begun(self.unavailable)
            error = self.assertRaises(
                exception.NovaUnavailable, meet,
                lambda: kept.get(self.unavailable), self.clock.run)
            self.assertEqual('of this test', error.reason)

    def test_it_may_find_an_older_list_at_any_moment(self):
        def fetch(_waited_for):
            kept.last = snapshot.PrivateFlavors(self.clock.now - 600, ())
            raise exception.NovaUnavailable('of this test')
        for meet in clocks.interleavings(refreshing):
            kept = self.begun(fetch)
            found = meet(lambda: kept.get(fetch), self.clock.run)
            self.assertIs(kept.last, found)

    def test_a_later_refresh_may_end_at_any_moment(self):
        for meet in clocks.interleavings(refreshing):
            kept = self.kept(61)
            last = kept.last
            kept.get(self.fetch)
            self.asked = 0
            found = meet(lambda: kept.get(self.fetch), self.clock.run)
            self.assertIn(found, (last, kept.last))
            self.clock.run()
            self.assertEqual(1, self.asked)

    def test_two_requests_may_come_at_any_moment(self):
        for meet in clocks.interleavings(refreshing):
            kept = self.kept(None)
            self.asked = 0
            found = []
            found.append(meet(
                lambda: kept.get(self.fetch),
                lambda: found.append(kept.get(self.fetch))))
            self.assertEqual([kept.last, kept.last], found)
            self.assertEqual(1, self.asked)

    def begun(self, fetch=None) -> Kept:
        """No list yet, and a refresh that is running."""
        kept = self.kept(None)
        self.clock.hanging = True
        self.assertRaises(exception.NovaUnavailable, kept.get,
                          fetch or self.fetch, 0.1)
        self.clock.hanging = False
        return kept
