// A copy of a paper with one's notes in it, saved as a file.
import { save } from '../kit/save'
import { request } from '../wire/http'
import type { Schemas } from '../wire/http'
import { t } from '../kit/words.svelte'

export async function downloadCopy(meetingId: string, paper: Schemas['PaperView'], version: number): Promise<void> {
  const answer = await request(`/api/meetings/${meetingId}/papers/${paper.id}/copy?version=${version}`)
  save(await answer.blob(), `${paper.title} - ${t('reader.copy_name')}.pdf`)
}
