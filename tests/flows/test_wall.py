"""The wall with the longest words there may be: all of them are read, on every face, and none stands on another."""

from datetime import timedelta

from playwright.sync_api import expect

from shared.clock import now
from tests.flows.browser import Screen

LONG = "Tờ trình về Nghị quyết quy định mức chi bảo đảm hoạt động của Hội đồng nhân dân các cấp tỉnh Bình Lâm. "
TITLE = (LONG * 5)[:500]
# What of the words is not on the screen whole, or under other words; the meeting's name in the bar may be cut.
HIDDEN = """() => {
  const wall = document.querySelector('.stage'), stage = wall.getBoundingClientRect(), walk = document.createTreeWalker(wall, 4)
  const lines = [], found = []
  while (walk.nextNode()) {
    const text = walk.currentNode, range = document.createRange()
    if (text.parentElement.closest('.cut-off, .face-sum') || !text.data.trim()) continue
    range.selectNodeContents(text)
    for (const { left, right, top, bottom } of range.getClientRects()) {
      const inside = left >= stage.left && right <= stage.right && top >= stage.top && bottom <= stage.bottom
      if (!inside) found.push('off: ' + text.data.slice(0, 40))
      lines.push({ text, left, right, top, bottom })
    }
  }
  const common = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from])
  for (const a of lines) for (const b of lines)
    if (a.text !== b.text && common(a, b, 'left', 'right') > 2 && common(a, b, 'top', 'bottom') > (a.bottom - a.top) / 2)
      found.push(a.text.data.slice(0, 40) + ' on ' + b.text.data.slice(0, 40))
  const ruler = wall.querySelector('.face-foot')?.getBoundingClientRect()
  const last = wall.querySelector('.face-two > div > :last-child')?.getBoundingClientRect()
  if (ruler && last.bottom > ruler.top) found.push('words on the ruler')
  return found
}"""


def test_no_title_is_too_long_for_the_wall(browser, demo):
    secretary, chair, member = demo.person("secretary"), demo.person("chair"), demo.person("member")
    plan = {
        "body_id": secretary.state()["meeting"]["body_id"],
        "title": TITLE,
        "place": "Hội trường lớn, " * 15,
        "starts_at": (now() + timedelta(hours=1)).isoformat(),
    }
    meeting = secretary.must("POST", "/api/meetings", json=plan)["id"]
    for person in (secretary, chair, member):
        person.demo = person.demo | {"meeting_id": meeting}
    item = secretary.must("POST", "items", json={"title": TITLE, "presenter": "Giám đốc Sở Tài chính " * 5})["id"]
    poll = secretary.must("POST", "polls", json={"item_id": item, "title": TITLE})["id"]
    secretary.must("POST", "publish")
    for one in secretary.state()["members"].values():
        if one["votes"]:
            secretary.must("PUT", f"attendance/{one['id']}", json={"state": "present"})
    screen = Screen(browser, demo, "wall").sign_in("secretary", at=f"{demo.facts['meetings']}/wall/{meeting}")
    wall = screen.page

    def shows(words: str) -> None:
        expect(wall.get_by_text(words).first).to_be_visible()
        assert wall.evaluate(HIDDEN) == []

    shows("đại biểu có mặt")
    chair.must("POST", "open")
    chair.must("POST", "enter", json={"item_id": item})
    shows("Giám đốc Sở Tài chính")
    speech = member.must("POST", "speeches", json={})["id"]
    chair.must("POST", f"speeches/{speech}/give")
    shows(member.name)
    stood = wall.locator(".clock").last.bounding_box()
    desk = Screen(browser, demo, "tablet").sign_in("chair", at=f"{demo.facts['meetings']}/m/{meeting}/chair")
    expect(desk.page.get_by_text("đang phát biểu.")).to_be_in_viewport(ratio=1)
    desk.check()
    desk.close()
    chair.must("POST", f"speeches/{speech}/pause")
    shows("Tạm dừng")
    assert wall.locator(".clock").last.bounding_box() == stood, "the clock stands where it stood"
    chair.must("POST", f"speeches/{speech}/end")
    chair.must("POST", f"polls/{poll}/open")
    shows("đại biểu đã biểu quyết")
    chair.must("POST", f"polls/{poll}/close")
    shows("Chờ chủ tọa công bố kết quả")
    chair.must("POST", f"polls/{poll}/declare")
    shows("Không thông qua")
    chair.must("POST", "adjourn")
    shows("Tạm nghỉ")
    chair.must("POST", "close")
    shows("Đã bế mạc")
    screen.close()
