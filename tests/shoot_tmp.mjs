import { readFileSync, mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
const links = Object.fromEntries(readFileSync("/tmp/st/links.txt","utf8").split("\n").map(l=>l.split(" ")).filter(l=>l[1]?.startsWith("http")));
const jobs = JSON.parse(process.argv[2]); // [name, path, lang, width, dark, js]
mkdirSync("/tmp/st/shots",{recursive:true});
const b = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args:["--no-sandbox","--disable-gpu"]});
for (const [who,path,lang,width,dark,js=true] of jobs) {
  const c = await b.newContext({ viewport:{width,height:800}, colorScheme: dark?"dark":"light", locale: lang==="zh"?"zh-CN":"en-US", javaScriptEnabled: js });
  const p = await c.newPage();
  p.on("console", m => console.log(who,path,"console",m.type(),m.text()));
  p.on("pageerror", e => console.log(who,"error",e.message));
  const r = await p.goto(links[who]);
  if (path) await p.goto(new URL(path, links[who]).href);
  await p.waitForTimeout(400);
  const over = await p.evaluate(()=>document.documentElement.scrollWidth - innerWidth);
  console.log(who,path,r.status(),"overflow",over);
  await p.screenshot({path:`/tmp/st/shots/${who}${(path||"").replace(/[/?=:.]/g,"_").slice(0,30)}-${lang}-${width}-${dark?"dark":"light"}${js?"":"-nojs"}.png`, fullPage:true});
  await c.close();
}
await b.close();
