import './kit/page.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { looks } from './kit/looks.svelte'
import { language } from './kit/words.svelte'

language.recall()
looks.recall()
mount(App, { target: document.getElementById('app')! })
