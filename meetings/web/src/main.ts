import './kit/page.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { looks } from './kit/looks.svelte'
import { language } from './kit/words.svelte'
import { watchReleases } from './offline/release.svelte'

language.recall()
looks.recall()
watchReleases()
// A newer release has taken the files of this one from the server: begin again with the new.
addEventListener('vite:preloadError', () => location.reload())
mount(App, { target: document.getElementById('app')! })
